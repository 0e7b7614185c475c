#include "ws/sha1.hpp"

#include <bit>
#include <cstring>

#include "base/bytes.hpp"

namespace sluice::ws {

namespace {

constexpr uint32_t kBlock = 64;
constexpr uint32_t kLengthField = 8;

struct Round {
  uint32_t mix;
  uint32_t constant;
};

// RFC 3174 §5: one function and constant for each twenty steps.
Round round_of(uint32_t step, uint32_t b, uint32_t c, uint32_t d) noexcept {
  if (step < 20) return {(b & c) | (~b & d), 0x5a827999};
  if (step < 40) return {b ^ c ^ d, 0x6ed9eba1};
  if (step < 60) return {(b & c) | (b & d) | (c & d), 0x8f1bbcdc};
  return {b ^ c ^ d, 0xca62c1d6};
}

void digest_block(std::array<uint32_t, 5>& hash, const uint8_t* block) noexcept {
  uint32_t schedule[80];
  for (uint32_t i = 0; i < 16; ++i) schedule[i] = load_be32(block + 4 * i);
  for (uint32_t i = 16; i < 80; ++i) {
    schedule[i] = std::rotl(schedule[i - 3] ^ schedule[i - 8] ^ schedule[i - 14] ^ schedule[i - 16], 1);
  }
  auto [a, b, c, d, e] = hash;
  for (uint32_t i = 0; i < 80; ++i) {
    const Round round = round_of(i, b, c, d);
    const uint32_t next = std::rotl(a, 5) + round.mix + e + schedule[i] + round.constant;
    e = d;
    d = c;
    c = std::rotl(b, 30);
    b = a;
    a = next;
  }
  hash = {hash[0] + a, hash[1] + b, hash[2] + c, hash[3] + d, hash[4] + e};
}

}  // namespace

std::array<uint8_t, 20> sha1(std::string_view message) noexcept {
  std::array<uint32_t, 5> hash = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
  const auto* const data = reinterpret_cast<const uint8_t*>(message.data());
  size_t at = 0;
  for (; message.size() - at >= kBlock; at += kBlock) digest_block(hash, data + at);

  // §4: a 1 bit, zeros, and the length in bits fill the last one or two blocks.
  uint8_t tail[2 * kBlock] = {};
  const size_t rest = message.size() - at;
  if (rest != 0) std::memcpy(tail, data + at, rest);
  tail[rest] = 0x80;
  const size_t padded = rest + 1 + kLengthField <= kBlock ? kBlock : 2 * kBlock;
  store_be64(tail + padded - kLengthField, static_cast<uint64_t>(message.size()) * 8);
  for (size_t block = 0; block < padded; block += kBlock) digest_block(hash, tail + block);

  std::array<uint8_t, 20> out;
  for (uint32_t i = 0; i < 5; ++i) store_be32(out.data() + 4 * i, hash[i]);
  return out;
}

}  // namespace sluice::ws
