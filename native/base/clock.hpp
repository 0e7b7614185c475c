#pragma once

#include <cstdint>
#include <ctime>

namespace sluice {

// Monotonic time in microseconds. Only `core` and the programs read it; everything below is handed the time.
inline uint64_t monotonic_us() noexcept {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000u + static_cast<uint64_t>(now.tv_nsec) / 1'000u;
}

}  // namespace sluice
