#pragma once

#include <cstdint>
#include <string_view>

namespace sluice::load {

// Looks at the header line of a sluice.v1 message without building anything. The server writes compact JSON with flat
// members; a member is found by its quoted name, and strings before it are skipped whole, so text in them cannot mislead.
class HeaderLine {
 public:
  HeaderLine(const uint8_t* payload, uint64_t length) noexcept;

  std::string_view text() const noexcept { return line_; }
  const uint8_t* body() const noexcept { return body_; }
  uint64_t body_length() const noexcept { return body_length_; }

  bool is_op(std::string_view name) const noexcept { return string("op") == name; }
  // Empty when there is no such member of that kind. Escapes are left as they stand.
  std::string_view string(std::string_view name) const noexcept;
  bool number(std::string_view name, uint64_t& out) const noexcept;

 private:
  // The raw value of a top-level member, from its first character on.
  std::string_view value_of(std::string_view name) const noexcept;

  std::string_view line_;
  const uint8_t* body_ = nullptr;
  uint64_t body_length_ = 0;
};

}  // namespace sluice::load
