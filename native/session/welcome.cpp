#include "session/welcome.hpp"

#include <algorithm>
#include <cstring>

#include "base/bytes.hpp"

namespace sluice::session {

namespace {

constexpr std::string_view kBeforeId = R"({"op":"welcome","session":")";
constexpr std::string_view kBeforeToken = R"(","resume":")";
constexpr uint32_t kIdBytes = 16;
// Version, id, generation; see src/session/resume-token.ts.
constexpr uint32_t kStatement = 1 + kIdBytes + 4;
constexpr uint32_t kFirstGeneration = 1;
constexpr uint32_t kTokenAt = kBeforeId.size() + 2 * kIdBytes + kBeforeToken.size();
constexpr uint32_t kToken = base64url_chars(kStatement) + 1 + ResumeTokens::kMacChars;

char* put(char* out, std::string_view text) noexcept {
  std::memcpy(out, text.data(), text.size());
  return out + text.size();
}

char* put_hex(char* out, const uint8_t* data, uint32_t length) noexcept {
  constexpr char kDigits[] = "0123456789abcdef";
  for (uint32_t i = 0; i < length; ++i) {
    *out++ = kDigits[data[i] >> 4];
    *out++ = kDigits[data[i] & 15];
  }
  return out;
}

}  // namespace

uint32_t Welcomes::bytes_each(std::string_view tail) noexcept {
  return static_cast<uint32_t>(kTokenAt + kToken + tail.size());
}

void Welcomes::write(char* out, size_t stride, const ResumeTokens& tokens, const uint32_t* words, uint32_t count, uint8_t version,
                     std::string_view tail) noexcept {
  constexpr uint32_t kTogether = 32;
  uint8_t statements[kTogether][kStatement];
  while (count != 0) {
    const uint32_t some = std::min(count, kTogether);
    for (uint32_t i = 0; i < some; ++i, words += kIdWords) {
      uint8_t* const id = statements[i] + 1;
      statements[i][0] = version;
      for (uint32_t word = 0; word < kIdWords; ++word) store_be32(id + 4 * word, words[word]);
      store_be32(id + kIdBytes, kFirstGeneration);
      char* const token = put(put_hex(put(out + i * stride, kBeforeId), id, kIdBytes), kBeforeToken);
      put(token + kToken, tail);
    }
    tokens.sign_many(out + kTokenAt, stride, statements[0], kStatement, some);
    out += some * stride;
    count -= some;
  }
}

}  // namespace sluice::session
