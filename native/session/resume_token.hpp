#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "session/base64url.hpp"
#include "session/hmac.hpp"

namespace sluice::session {

// Resume tokens: base64url of a statement, a dot, base64url of the HMAC of that text. What a statement says is
// src/session/resume-token.ts's business, but for the one of a new session without a user, of which there are millions.
class ResumeTokens {
 public:
  static constexpr uint32_t kStatementMax = 276;
  static constexpr uint32_t kMacChars = base64url_chars(kSha256Bytes);
  static constexpr uint32_t kTokenMax = base64url_chars(kStatementMax) + 1 + kMacChars;

  ResumeTokens(const uint8_t* secret, uint32_t length) noexcept : hmac_(secret, length) {}

  // Writes the token of a statement of at most kStatementMax bytes; returns what follows it.
  char* sign(char* out, const uint8_t* statement, uint32_t length) const noexcept;

  // Tokens of `count` statements of one length, behind one another; the next one's begins `stride` characters behind one's beginning.
  void sign_many(char* out, size_t stride, const uint8_t* statements, uint32_t length, uint32_t count) const noexcept;

  // Length of the statement, which is written to `out` (kStatementMax bytes); -1 where the token is forged or damaged.
  int32_t verify(uint8_t* out, std::string_view token) const noexcept;

 private:
  void sign_short(char* out, size_t stride, const uint8_t* statements, uint32_t length, uint32_t count) const noexcept;
  void mac(char* out, std::string_view payload) const noexcept;

  Hmac hmac_;
};

}  // namespace sluice::session
