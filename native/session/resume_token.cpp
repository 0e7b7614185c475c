#include "session/resume_token.hpp"

#include <algorithm>
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

// Of few, whose signed texts take a block each.
void ResumeTokens::sign_short(char* out, size_t stride, const uint8_t* statements, uint32_t length, uint32_t count) const noexcept {
  uint8_t blocks[Hmac::kTogether][kSha256Block];
  Hmac::Digest digests[Hmac::kTogether];
  const uint32_t chars = base64url_chars(length);
  for (uint32_t i = 0; i < count; ++i) {
    std::memcpy(blocks[i], kPurpose.data(), kPurpose.size());
    base64url_encode(reinterpret_cast<char*>(blocks[i]) + kPurpose.size(), statements + static_cast<size_t>(i) * length, length);
  }
  hmac_.digest_short(blocks[0], static_cast<uint32_t>(kPurpose.size()) + chars, count, digests);
  for (uint32_t i = 0; i < count; ++i) {
    char* const token = out + i * stride;
    std::memcpy(token, blocks[i] + kPurpose.size(), chars);
    token[chars] = '.';
    base64url_encode(token + chars + 1, digests[i].data(), kSha256Bytes);
  }
}

void ResumeTokens::sign_many(char* out, size_t stride, const uint8_t* statements, uint32_t length, uint32_t count) const noexcept {
  const bool is_short = kPurpose.size() + base64url_chars(length) <= Hmac::kShortMost;
  const uint32_t most = is_short ? Hmac::kTogether : 1;
  while (count != 0) {
    const uint32_t some = std::min(count, most);
    if (is_short) {
      sign_short(out, stride, statements, length, some);
    } else {
      sign(out, statements, length);
    }
    out += some * stride;
    statements += static_cast<size_t>(some) * length;
    count -= some;
  }
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
