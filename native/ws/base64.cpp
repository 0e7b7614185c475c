#include "ws/base64.hpp"

#include <algorithm>
#include <array>

namespace sluice::ws {

namespace {

constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static_assert(kAlphabet.size() == 64);

// Every upgrade has a key to be looked through: a table has no branches to be guessed wrong.
constexpr std::array<bool, 256> in_alphabet() noexcept {
  std::array<bool, 256> in{};
  for (const char c : kAlphabet) in[static_cast<uint8_t>(c)] = true;
  return in;
}
constexpr std::array<bool, 256> kInAlphabet = in_alphabet();

}  // namespace

void base64_encode(char* out, const uint8_t* data, uint32_t length) noexcept {
  for (uint32_t at = 0; at < length; at += 3) {
    const uint32_t count = std::min(length - at, 3u);
    uint32_t group = static_cast<uint32_t>(data[at]) << 16;
    if (count > 1) group |= static_cast<uint32_t>(data[at + 1]) << 8;
    if (count > 2) group |= data[at + 2];
    *out++ = kAlphabet[group >> 18];
    *out++ = kAlphabet[(group >> 12) & 63];
    *out++ = count > 1 ? kAlphabet[(group >> 6) & 63] : '=';
    *out++ = count > 2 ? kAlphabet[group & 63] : '=';
  }
}

bool base64_of_16_bytes(std::string_view text) noexcept {
  // 22 characters carry 132 bits. The four bits too many should be 0, but RFC 4648 §3.5 lets a decoder ignore them, and the key is
  // only ever hashed as text.
  constexpr size_t kDigits = 22;
  if (text.size() != kDigits + 2 || !text.ends_with("==")) return false;
  bool good = true;
  for (size_t i = 0; i < kDigits; ++i) good &= kInAlphabet[static_cast<uint8_t>(text[i])];
  return good;
}

}  // namespace sluice::ws
