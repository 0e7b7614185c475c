#pragma once

#include <array>
#include <cstdint>
#include <string_view>

// Character classes and small parsers that the HTTP side shares. ASCII only and independent of any locale.

namespace sluice::ws {

inline constexpr char lower(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }
inline constexpr bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }
inline constexpr bool is_alpha(char c) noexcept { return lower(c) >= 'a' && lower(c) <= 'z'; }
inline constexpr bool is_visible(char c) noexcept { return c >= 0x21 && c <= 0x7e; }  // VCHAR of RFC 5234

// RFC 9110 §5.6.2, as a table: each byte of each header's name is looked up.
inline constexpr std::array<bool, 256> kTokenChars = [] {
  std::array<bool, 256> table{};
  for (uint32_t i = 1; i < 256; ++i) {
    const char c = static_cast<char>(i);
    table[i] = is_digit(c) || is_alpha(c) || std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
  }
  return table;
}();

inline constexpr bool is_token_char(char c) noexcept { return kTokenChars[static_cast<uint8_t>(c)]; }

inline constexpr bool is_token(std::string_view text) noexcept {
  for (const char c : text) {
    if (!is_token_char(c)) return false;
  }
  return !text.empty();
}

inline constexpr bool equals_ignoring_case(std::string_view a, std::string_view b) noexcept {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (lower(a[i]) != lower(b[i])) return false;
  }
  return true;
}

// Without the OWS of RFC 9110 §5.6.3 on both ends.
inline constexpr std::string_view trim(std::string_view text) noexcept {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// Takes the next element off a comma list (RFC 9110 §5.6.1); empty elements are passed over, as a recipient must. False at the end.
inline constexpr bool next_element(std::string_view& list, std::string_view& element) noexcept {
  while (!list.empty()) {
    const size_t comma = list.find(',');
    element = trim(list.substr(0, comma));
    list.remove_prefix(comma == std::string_view::npos ? list.size() : comma + 1);
    if (!element.empty()) return true;
  }
  return false;
}

}  // namespace sluice::ws
