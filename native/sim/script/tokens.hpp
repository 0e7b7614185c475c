#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace sluice::sim::script {

// Words of one statement; what stands in angle brackets is one word. Reading past the end gives an empty word.
class Tokens {
 public:
  explicit Tokens(const std::string& line);

  bool more() const noexcept { return at_ < words_.size(); }
  const std::string& peek() const noexcept { return more() ? words_[at_] : end_; }
  std::string next() { return more() ? words_[at_++] : std::string(); }
  bool accept(const char* word) {
    if (peek() != word || !more()) return false;
    ++at_;
    return true;
  }
  std::vector<std::string> rest() { return {words_.begin() + static_cast<ptrdiff_t>(at_), words_.end()}; }

 private:
  std::vector<std::string> words_;
  size_t at_ = 0;
  std::string end_;
};

// Pieces between separators; none for an empty text.
std::vector<std::string> split(const std::string& text, char separator);

}  // namespace sluice::sim::script
