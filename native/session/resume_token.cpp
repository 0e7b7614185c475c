#include "session/resume_token.hpp"

#include <cstring>

#include "base/assert.hpp"

namespace sluice::session {

namespace {

// What the secret signs elsewhere must not pass for a token.
constexpr std::string_view kPurpose = "sluice.resume\n";
constexpr uint32_t kPayloadMax = base64url_chars(ResumeTokens::kStatementMax);

// Takes the same time wherever the texts differ.
bool same(const char* a, const char* b, uint32_t length) noexcept {
  uint8_t difference = 0;
  for (uint32_t i = 0; i < length; ++i) difference |= static_cast<uint8_t>(a[i] ^ b[i]);
  return difference == 0;
}

}  // namespace

void ResumeTokens::mac(char* out, std::string_view payload) const noexcept {
  SLUICE_ASSERT(payload.size() <= kPayloadMax);
  char text[kPurpose.size() + kPayloadMax];
  std::memcpy(text, kPurpose.data(), kPurpose.size());
  std::memcpy(text + kPurpose.size(), payload.data(), payload.size());
  const Hmac::Digest digest = hmac_.digest({text, kPurpose.size() + payload.size()});
  base64url_encode(out, digest.data(), digest.size());
}

char* ResumeTokens::sign(char* out, const uint8_t* statement, uint32_t length) const noexcept {
  SLUICE_ASSERT(length <= kStatementMax);
  char* const dot = base64url_encode(out, statement, length);
  *dot = '.';
  mac(dot + 1, {out, static_cast<size_t>(dot - out)});
  return dot + 1 + kMacChars;
}

int32_t ResumeTokens::verify(uint8_t* out, std::string_view token) const noexcept {
  const size_t dot = token.find('.');
  if (dot == std::string_view::npos || dot == 0 || dot > kPayloadMax || token.size() - dot - 1 != kMacChars) return -1;
  char wanted[kMacChars];
  mac(wanted, token.substr(0, dot));
  if (!same(wanted, token.data() + dot + 1, kMacChars)) return -1;
  return base64url_decode(out, token.substr(0, dot));
}

}  // namespace sluice::session
