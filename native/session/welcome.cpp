#include "session/welcome.hpp"

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
  return static_cast<uint32_t>(kBeforeId.size() + 2 * kIdBytes + kBeforeToken.size() + kToken + tail.size());
}

void Welcomes::write(char* out, const ResumeTokens& tokens, const uint32_t* words, uint32_t count, uint8_t version,
                     std::string_view tail) noexcept {
  uint8_t statement[kStatement];
  statement[0] = version;
  store_be32(statement + 1 + kIdBytes, kFirstGeneration);
  for (uint32_t i = 0; i < count; ++i) {
    for (uint32_t word = 0; word < kIdWords; ++word) store_be32(statement + 1 + 4 * word, words[kIdWords * i + word]);
    out = put_hex(put(out, kBeforeId), statement + 1, kIdBytes);
    out = put(tokens.sign(put(out, kBeforeToken), statement, kStatement), tail);
  }
}

}  // namespace sluice::session
