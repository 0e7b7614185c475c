#pragma once

#include <cstdint>

namespace sluice {

// Monotonic time in microseconds for a loop that asks at every turn: the processor's counter since the kernel was asked last, which
// is at most kHorizonUs ago. So whatever the counter does (another CPU's, a virtual machine that moves) is mended by then. Where the
// counter does not run at one rate, the kernel is asked each time. Belongs to one thread.
class TickClock {
 public:
  TickClock() noexcept;

  uint64_t now_us() noexcept {
    const uint64_t ticks = read_ticks() - anchor_ticks_;
    if (ticks >= horizon_ticks_) return ask();
    const uint64_t us = anchor_us_ + (ticks * us_per_tick_ >> kFraction);
    if (us > last_us_) last_us_ = us;
    return last_us_;
  }

 private:
  static constexpr uint64_t kHorizonUs = 1'000;
  static constexpr uint64_t kLearnUs = 10'000;      // what it takes to know the rate
  static constexpr uint64_t kForgetUs = 1'000'000;  // it is measured anew from time to time
  static constexpr uint64_t kTornTicks = 50'000;
  static constexpr uint32_t kFraction = 32;

#if defined(__x86_64__)
  static uint64_t read_ticks() noexcept { return __builtin_ia32_rdtsc(); }
#else
  static uint64_t read_ticks() noexcept { return 0; }
#endif
  uint64_t ask() noexcept;
  void learn(uint64_t ticks, uint64_t us) noexcept;

  bool steady_;                 // the counter runs at one rate, whatever the processor does
  uint64_t anchor_ticks_ = 0;
  uint64_t anchor_us_ = 0;
  uint64_t horizon_ticks_ = 0;  // 0: the kernel is asked
  uint64_t us_per_tick_ = 0;    // fixed point
  uint64_t first_ticks_ = 0;    // where the measurement of the rate began
  uint64_t first_us_ = 0;       // 0: it has not
  uint64_t last_us_ = 0;
};

}  // namespace sluice
