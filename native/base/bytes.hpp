#pragma once

#include <bit>
#include <cstdint>
#include <cstring>

// Loads and stores that need no alignment. The project runs on little-endian machines only.
static_assert(std::endian::native == std::endian::little);

namespace sluice {

inline uint16_t load_be16(const uint8_t* p) noexcept {
  uint16_t value;
  std::memcpy(&value, p, sizeof value);
  return __builtin_bswap16(value);
}

inline uint32_t load_be32(const uint8_t* p) noexcept {
  uint32_t value;
  std::memcpy(&value, p, sizeof value);
  return __builtin_bswap32(value);
}

inline uint64_t load_be64(const uint8_t* p) noexcept {
  uint64_t value;
  std::memcpy(&value, p, sizeof value);
  return __builtin_bswap64(value);
}

inline void store_be16(uint8_t* p, uint16_t value) noexcept {
  value = __builtin_bswap16(value);
  std::memcpy(p, &value, sizeof value);
}

inline void store_be32(uint8_t* p, uint32_t value) noexcept {
  value = __builtin_bswap32(value);
  std::memcpy(p, &value, sizeof value);
}

inline void store_be64(uint8_t* p, uint64_t value) noexcept {
  value = __builtin_bswap64(value);
  std::memcpy(p, &value, sizeof value);
}

}  // namespace sluice
