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

// Seconds since 1970 in UTC, as the machine has it: it may be set, and then steps. Read by the same.
inline int64_t wall_clock_s() noexcept {
  timespec now;
  clock_gettime(CLOCK_REALTIME_COARSE, &now);
  return now.tv_sec;
}

// Time as it is handed in: the machine's, or that of a simulation.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual uint64_t now_us() const noexcept = 0;
};

class MonotonicClock final : public Clock {
 public:
  uint64_t now_us() const noexcept override { return monotonic_us(); }
};

// Stands still until it is told to move.
class ManualClock final : public Clock {
 public:
  uint64_t now_us() const noexcept override { return now_ns_ / 1'000; }
  uint64_t now_ns() const noexcept { return now_ns_; }
  void set_ns(uint64_t now_ns) noexcept {
    if (now_ns > now_ns_) now_ns_ = now_ns;
  }
  void advance_us(uint64_t us) noexcept { now_ns_ += us * 1'000; }

 private:
  uint64_t now_ns_ = 0;
};

}  // namespace sluice
