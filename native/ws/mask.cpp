#include "ws/mask.hpp"

#include "base/assert.hpp"

namespace sluice::ws {

namespace {

#if defined(__x86_64__)

// The same code as the baseline over lanes twice as wide; only this function may hold AVX2 instructions.
__attribute__((target("avx2"))) bool unmask_avx2(uint8_t* data, uint32_t length, uint32_t key) noexcept {
  using Lane32 = uint64_t __attribute__((vector_size(32)));
  const uint64_t wide = detail::spread(key);
  const Lane32 lane_key = {wide, wide, wide, wide};
  Lane32 seen = {0, 0, 0, 0};
  uint32_t at = 0;
  for (; length - at >= 128; at += 128) {
    for (uint32_t offset = 0; offset < 128; offset += 32) {
      Lane32 lane;
      std::memcpy(&lane, data + at + offset, sizeof lane);
      lane ^= lane_key;
      seen |= lane;
      std::memcpy(data + at + offset, &lane, sizeof lane);
    }
  }
  const bool high = ((seen[0] | seen[1] | seen[2] | seen[3]) & detail::kHighBits) != 0;
  if (at == length) return high;
  // Whole blocks leave the key unturned, and at most 127 bytes are left.
  const bool rest = unmask(data + at, length - at, key);
  return high || rest;
}

#endif

}  // namespace

bool unmask_long(uint8_t* data, uint32_t length, uint32_t key) noexcept {
  SLUICE_ASSERT(length > kUnmaskInline);
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2")) return unmask_avx2(data, length, key);
#endif
  return detail::unmask_lanes(data, length, key);
}

}  // namespace sluice::ws
