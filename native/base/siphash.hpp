#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

// SipHash (Aumasson, Bernstein 2012): a keyed hash that nobody without the key can aim at a bucket or predict. The reduced-round 1-3
// serves tables, 2-4 serves what is shown to the outside (sequence numbers, cookies).

namespace sluice {

struct SipKey {
  uint64_t k0 = 0;
  uint64_t k1 = 0;
};

namespace detail {

struct SipState {
  uint64_t v0, v1, v2, v3;

  explicit SipState(const SipKey& key) noexcept
      : v0(key.k0 ^ 0x736f6d6570736575u),
        v1(key.k1 ^ 0x646f72616e646f6du),
        v2(key.k0 ^ 0x6c7967656e657261u),
        v3(key.k1 ^ 0x7465646279746573u) {}

  static uint64_t rotate(uint64_t value, int bits) noexcept { return value << bits | value >> (64 - bits); }
  void round() noexcept {
    v0 += v1;
    v2 += v3;
    v1 = rotate(v1, 13) ^ v0;
    v3 = rotate(v3, 16) ^ v2;
    v0 = rotate(v0, 32);
    v2 += v1;
    v0 += v3;
    v1 = rotate(v1, 17) ^ v2;
    v3 = rotate(v3, 21) ^ v0;
    v2 = rotate(v2, 32);
  }
};

}  // namespace detail

template <int kCompress, int kFinish>
inline uint64_t siphash(const SipKey& key, const void* bytes, size_t length) noexcept {
  detail::SipState state(key);
  const auto* p = static_cast<const uint8_t*>(bytes);
  const uint64_t last_byte = static_cast<uint64_t>(length & 0xff) << 56;
  for (; length >= 8; length -= 8, p += 8) {
    uint64_t word;
    std::memcpy(&word, p, sizeof word);
    state.v3 ^= word;
    for (int i = 0; i < kCompress; ++i) state.round();
    state.v0 ^= word;
  }
  uint64_t tail = 0;
  std::memcpy(&tail, p, length);
  tail |= last_byte;
  state.v3 ^= tail;
  for (int i = 0; i < kCompress; ++i) state.round();
  state.v0 ^= tail;
  state.v2 ^= 0xff;
  for (int i = 0; i < kFinish; ++i) state.round();
  return state.v0 ^ state.v1 ^ state.v2 ^ state.v3;
}

inline uint64_t siphash13(const SipKey& key, const void* bytes, size_t length) noexcept { return siphash<1, 3>(key, bytes, length); }
inline uint64_t siphash24(const SipKey& key, const void* bytes, size_t length) noexcept { return siphash<2, 4>(key, bytes, length); }

}  // namespace sluice
