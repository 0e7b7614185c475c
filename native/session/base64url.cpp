#include "session/base64url.hpp"

#include <algorithm>
#include <array>

namespace sluice::session {

namespace {

constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
static_assert(kAlphabet.size() == 64);

constexpr uint8_t kNone = 64;
constexpr std::array<uint8_t, 256> kValues = [] {
  std::array<uint8_t, 256> values{};
  values.fill(kNone);
  for (uint8_t i = 0; i < 64; ++i) values[static_cast<uint8_t>(kAlphabet[i])] = i;
  return values;
}();

}  // namespace

char* base64url_encode(char* out, const uint8_t* data, uint32_t length) noexcept {
  uint32_t at = 0;
  for (; at + 3 <= length; at += 3) {
    const uint32_t group = static_cast<uint32_t>(data[at]) << 16 | static_cast<uint32_t>(data[at + 1]) << 8 | data[at + 2];
    *out++ = kAlphabet[group >> 18];
    *out++ = kAlphabet[(group >> 12) & 63];
    *out++ = kAlphabet[(group >> 6) & 63];
    *out++ = kAlphabet[group & 63];
  }
  if (at == length) return out;
  uint32_t group = static_cast<uint32_t>(data[at]) << 16;
  if (at + 1 < length) group |= static_cast<uint32_t>(data[at + 1]) << 8;
  *out++ = kAlphabet[group >> 18];
  *out++ = kAlphabet[(group >> 12) & 63];
  if (at + 1 < length) *out++ = kAlphabet[(group >> 6) & 63];
  return out;
}

int32_t base64url_decode(uint8_t* out, std::string_view text) noexcept {
  // One character alone carries less than a byte.
  if (text.size() % 4 == 1) return -1;
  const uint8_t* const begin = out;
  for (size_t at = 0; at < text.size(); at += 4) {
    const auto count = static_cast<uint32_t>(std::min<size_t>(text.size() - at, 4));
    uint32_t group = 0;
    for (uint32_t i = 0; i < 4; ++i) {
      const uint8_t value = i < count ? kValues[static_cast<uint8_t>(text[at + i])] : 0;
      if (value == kNone) return -1;
      group = group << 6 | value;
    }
    for (uint32_t i = 0; i + 1 < count; ++i) *out++ = static_cast<uint8_t>(group >> (16 - 8 * i));
  }
  return static_cast<int32_t>(out - begin);
}

}  // namespace sluice::session
