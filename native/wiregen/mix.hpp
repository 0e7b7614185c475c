#pragma once

#include <cstdint>

namespace sluice::wiregen {

// The finaliser of SplitMix64: spreads a number over 64 bits. Keys, masks and initial sequence numbers come from here, so that they
// look random to the server and can be made again for a retransmission.
inline uint64_t mix(uint64_t z) noexcept {
  z += 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

inline uint64_t mix(uint64_t seed, uint32_t a, uint32_t b) noexcept { return mix(seed ^ (static_cast<uint64_t>(a) << 32 | b)); }

}  // namespace sluice::wiregen
