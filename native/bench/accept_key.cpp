#include "bench/accept_key.hpp"

#include <bit>
#include <cstring>
#include <vector>

#include "base/bytes.hpp"

namespace sluice::load {

namespace {

void compress(uint32_t state[5], const uint8_t* block) noexcept {
  uint32_t w[80];
  for (int i = 0; i < 16; ++i) w[i] = load_be32(block + i * 4);
  for (int i = 16; i < 80; ++i) w[i] = std::rotl(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
  uint32_t a = state[0], b = state[1], c = state[2], d = state[3], e = state[4];
  // Twenty rounds of each kind (RFC 3174 §5), so that none of them has to ask which it is.
  const auto rounds = [&](int from, uint32_t constant, auto mix) {
    for (int i = from; i < from + 20; ++i) {
      uint32_t next = std::rotl(a, 5) + mix() + e + w[i] + constant;
      e = d;
      d = c;
      c = std::rotl(b, 30);
      b = a;
      a = next;
    }
  };
  rounds(0, 0x5a827999u, [&] { return d ^ (b & (c ^ d)); });
  rounds(20, 0x6ed9eba1u, [&] { return b ^ c ^ d; });
  rounds(40, 0x8f1bbcdcu, [&] { return (b & c) | (d & (b | c)); });
  rounds(60, 0xca62c1d6u, [&] { return b ^ c ^ d; });
  state[0] += a;
  state[1] += b;
  state[2] += c;
  state[3] += d;
  state[4] += e;
}

}  // namespace

void sha1(const uint8_t* data, size_t length, uint8_t out[20]) noexcept {
  uint32_t state[5] = {0x67452301u, 0xefcdab89u, 0x98badcfeu, 0x10325476u, 0xc3d2e1f0u};
  size_t whole = length / 64;
  for (size_t i = 0; i < whole; ++i) compress(state, data + i * 64);
  uint8_t tail[128] = {};
  size_t rest = length - whole * 64;
  if (rest > 0) std::memcpy(tail, data + whole * 64, rest);
  tail[rest] = 0x80;
  size_t tail_size = rest < 56 ? 64 : 128;
  store_be64(tail + tail_size - 8, static_cast<uint64_t>(length) * 8);
  for (size_t i = 0; i < tail_size; i += 64) compress(state, tail + i);
  for (int i = 0; i < 5; ++i) store_be32(out + i * 4, state[i]);
}

std::string base64(const uint8_t* data, size_t length) {
  constexpr char kAlphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  out.reserve((length + 2) / 3 * 4);
  for (size_t i = 0; i < length; i += 3) {
    uint32_t group = static_cast<uint32_t>(data[i]) << 16;
    if (i + 1 < length) group |= static_cast<uint32_t>(data[i + 1]) << 8;
    if (i + 2 < length) group |= data[i + 2];
    out += kAlphabet[group >> 18];
    out += kAlphabet[(group >> 12) & 63];
    out += i + 1 < length ? kAlphabet[(group >> 6) & 63] : '=';
    out += i + 2 < length ? kAlphabet[group & 63] : '=';
  }
  return out;
}

std::string accept_key(std::string_view key) {
  std::string text(key);
  text += "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  uint8_t digest[20];
  sha1(reinterpret_cast<const uint8_t*>(text.data()), text.size(), digest);
  return base64(digest, sizeof digest);
}

}  // namespace sluice::load
