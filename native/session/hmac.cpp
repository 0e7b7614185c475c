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

void begin(Sha256State& state, const uint8_t* key, uint32_t length, uint8_t mask) noexcept {
  uint8_t block[kSha256Block];
  std::memset(block, mask, sizeof block);
  for (uint32_t i = 0; i < length; ++i) block[i] ^= key[i];
  take_block(state, block);
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
  for (uint32_t i = 0; i < state.size(); ++i) store_be32(out.data() + 4 * i, state[i]);
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

}  // namespace sluice::session
