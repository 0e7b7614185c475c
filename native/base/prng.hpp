#pragma once

#include <cstdint>

namespace sluice {

// xoshiro256** seeded through SplitMix64: fast, reproducible, not secret. What an attacker must not guess comes from SipHash with a
// secret key instead.
class Prng {
 public:
  explicit Prng(uint64_t seed) noexcept {
    for (uint64_t& word : state_) word = split_mix(seed);
  }

  uint64_t next() noexcept {
    const uint64_t result = rotate(state_[1] * 5, 7) * 9;
    const uint64_t shifted = state_[1] << 17;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= shifted;
    state_[3] = rotate(state_[3], 45);
    return result;
  }

  // Uniform in [0, bound), by multiplication: the bias of 2^-32 at most does not matter where this is used.
  uint32_t below(uint32_t bound) noexcept { return static_cast<uint32_t>(((next() >> 32) * bound) >> 32); }
  // True with a probability of parts_per_million / 1,000,000.
  bool chance(uint32_t parts_per_million) noexcept { return below(1'000'000) < parts_per_million; }

 private:
  static uint64_t rotate(uint64_t value, int bits) noexcept { return value << bits | value >> (64 - bits); }
  static uint64_t split_mix(uint64_t& seed) noexcept {
    seed += 0x9e3779b97f4a7c15u;
    uint64_t z = seed;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }

  uint64_t state_[4];
};

}  // namespace sluice
