#include "bench/header_line.hpp"

#include <cstring>

namespace sluice::load {

namespace {

// The position behind the closing quote of a string that starts at `at` (its opening quote).
size_t skip_string(std::string_view line, size_t at) noexcept {
  for (++at; at < line.size(); ++at) {
    if (line[at] == '\\') {
      ++at;
    } else if (line[at] == '"') {
      return at + 1;
    }
  }
  return line.size();
}

// Behind a value: a string, a scalar, or an object or array whole.
size_t skip_value(std::string_view line, size_t at) noexcept {
  int depth = 0;
  while (at < line.size()) {
    char c = line[at];
    if (c == '"') {
      at = skip_string(line, at);
      if (depth == 0) return at;
      continue;
    }
    if (c == '{' || c == '[') ++depth;
    if (c == '}' || c == ']') {
      if (depth == 0) return at;
      --depth;
    }
    if (c == ',' && depth == 0) return at;
    ++at;
  }
  return at;
}

}  // namespace

HeaderLine::HeaderLine(const uint8_t* payload, uint64_t length) noexcept {
  const uint8_t* newline = length == 0 ? nullptr : static_cast<const uint8_t*>(std::memchr(payload, '\n', length));
  uint64_t line = newline == nullptr ? length : static_cast<uint64_t>(newline - payload);
  line_ = std::string_view(reinterpret_cast<const char*>(payload), line);
  if (newline != nullptr) {
    body_ = newline + 1;
    body_length_ = length - line - 1;
  }
}

std::string_view HeaderLine::value_of(std::string_view name) const noexcept {
  size_t at = 1;  // behind the opening brace
  while (at < line_.size()) {
    while (at < line_.size() && line_[at] != '"') ++at;
    if (at >= line_.size()) break;
    size_t end = skip_string(line_, at);
    if (end < at + 2) break;
    std::string_view member = line_.substr(at + 1, end - at - 2);
    at = end;
    while (at < line_.size() && (line_[at] == ':' || line_[at] == ' ')) ++at;
    if (member == name) return line_.substr(at);
    at = skip_value(line_, at);
  }
  return {};
}

std::string_view HeaderLine::string(std::string_view name) const noexcept {
  std::string_view value = value_of(name);
  if (value.empty() || value[0] != '"') return {};
  size_t end = skip_string(value, 0);
  return end < 2 ? std::string_view{} : value.substr(1, end - 2);
}

bool HeaderLine::number(std::string_view name, uint64_t& out) const noexcept {
  std::string_view value = value_of(name);
  if (value.empty() || value[0] < '0' || value[0] > '9') return false;
  out = 0;
  for (char c : value) {
    if (c < '0' || c > '9') break;
    out = out * 10 + static_cast<uint64_t>(c - '0');
  }
  return true;
}

}  // namespace sluice::load
