#include "ws/sha1.hpp"

#include <cstring>

#include "base/bytes.hpp"
#include "base/sha_instructions.hpp"
#include "ws/sha1_block.hpp"

namespace sluice::ws {

namespace {

constexpr uint32_t kBlock = 64;
constexpr uint32_t kLengthField = 8;

}  // namespace

std::array<uint8_t, 20> sha1(std::string_view message) noexcept {
  Sha1State hash = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
  const auto digest_block = has_sha_instructions() ? sha1_block_native : sha1_block_portable;
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
