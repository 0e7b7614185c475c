#include "sim/script/tokens.hpp"

#include <algorithm>

namespace sluice::sim::script {

Tokens::Tokens(const std::string& line) {
  const std::string blanks = " \t\r";
  for (size_t at = line.find_first_not_of(blanks); at != std::string::npos; at = line.find_first_not_of(blanks, at)) {
    // A direction's "<" stands alone; an option list's does not.
    const bool list = line[at] == '<' && at + 1 < line.size() && blanks.find(line[at + 1]) == std::string::npos;
    size_t end = list ? line.find('>', at) : line.find_first_of(blanks, at);
    if (list && end != std::string::npos) ++end;
    end = std::min(end, line.size());
    words_.push_back(line.substr(at, end - at));
    at = end;
  }
}

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> out;
  if (text.empty()) return out;
  size_t begin = 0;
  for (size_t at = text.find(separator); at != std::string::npos; at = text.find(separator, begin)) {
    out.push_back(text.substr(begin, at - begin));
    begin = at + 1;
  }
  out.push_back(text.substr(begin));
  return out;
}

}  // namespace sluice::sim::script
