#include "session/hmac.hpp"

#include <cstring>

#include "base/assert.hpp"
#include "base/bytes.hpp"
#include "base/sha_instructions.hpp"

namespace sluice::session {

namespace {

constexpr uint32_t kLengthField = 8;

void take_block(Sha256State& state, const uint8_t* block) noexcept {
  static const auto take = has_sha_instructions() ? sha256_block_native : sha256_block_portable;
  take(state, block);
}

void take_blocks(Sha256State* states, const uint8_t* blocks, uint32_t count) noexcept {
  static const auto take = has_sha_instructions() ? sha256_blocks_native : sha256_blocks_portable;
  take(states, blocks, count);
}

// What follows `length` bytes in a block that is the last, the key's block being before it (FIPS 180-4 §5.1.1).
void pad(uint8_t* block, uint32_t length) noexcept {
  std::memset(block + length, 0, kSha256Block - kLengthField - length);
  block[length] = 0x80;
  store_be64(block + kSha256Block - kLengthField, (uint64_t{length} + kSha256Block) * 8);
}

void begin(Sha256State& state, const uint8_t* key, uint32_t length, uint8_t mask) noexcept {
  uint8_t block[kSha256Block];
  std::memset(block, mask, sizeof block);
  for (uint32_t i = 0; i < length; ++i) block[i] ^= key[i];
  take_block(state, block);
}

void store_state(uint8_t* out, const Sha256State& state) noexcept {
  for (uint32_t i = 0; i < state.size(); ++i) store_be32(out + 4 * i, state[i]);
}

// The digest of what follows the key's block, which is in `state` already (FIPS 180-4 §5.1.1, §6.2).
Hmac::Digest finish(Sha256State state, const uint8_t* data, size_t length) noexcept {
  size_t at = 0;
  for (; length - at >= kSha256Block; at += kSha256Block) take_block(state, data + at);
  uint8_t tail[2 * kSha256Block] = {};
  const size_t rest = length - at;
  if (rest != 0) std::memcpy(tail, data + at, rest);
  tail[rest] = 0x80;
  const size_t padded = rest + 1 + kLengthField <= kSha256Block ? kSha256Block : 2 * kSha256Block;
  store_be64(tail + padded - kLengthField, (static_cast<uint64_t>(length) + kSha256Block) * 8);
  for (size_t block = 0; block < padded; block += kSha256Block) take_block(state, tail + block);
  Hmac::Digest out;
  store_state(out.data(), state);
  return out;
}

}  // namespace

Hmac::Hmac(const uint8_t* key, uint32_t length) noexcept {
  SLUICE_ASSERT(length <= kSha256Block);
  begin(inner_, key, length, 0x36);
  begin(outer_, key, length, 0x5c);
}

Hmac::Digest Hmac::digest(std::string_view text) const noexcept {
  const Digest inner = finish(inner_, reinterpret_cast<const uint8_t*>(text.data()), text.size());
  return finish(outer_, inner.data(), inner.size());
}

void Hmac::digest_short(uint8_t* blocks, uint32_t length, uint32_t count, Digest* out) const noexcept {
  SLUICE_ASSERT(length <= kShortMost && count <= kTogether);
  Sha256State states[kTogether];
  uint8_t inner[kTogether][kSha256Block];
  for (uint32_t i = 0; i < count; ++i) {
    pad(blocks + i * kSha256Block, length);
    states[i] = inner_;
  }
  take_blocks(states, blocks, count);
  for (uint32_t i = 0; i < count; ++i) {
    store_state(inner[i], states[i]);
    pad(inner[i], kSha256Bytes);
    states[i] = outer_;
  }
  take_blocks(states, inner[0], count);
  for (uint32_t i = 0; i < count; ++i) store_state(out[i].data(), states[i]);
}

}  // namespace sluice::session
