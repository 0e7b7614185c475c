#include "base/tick_clock.hpp"

#include <algorithm>

#include "base/clock.hpp"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace sluice {

namespace {

bool counter_is_steady() noexcept {
#if defined(__x86_64__)
  // Intel SDM volume 3, "Invariant TSC": the same rate in all power and performance states.
  uint32_t a = 0;
  uint32_t b = 0;
  uint32_t c = 0;
  uint32_t d = 0;
  return __get_cpuid(0x80000007, &a, &b, &c, &d) != 0 && (d >> 8 & 1) != 0;
#else
  return false;
#endif
}

}  // namespace

TickClock::TickClock() noexcept : steady_(counter_is_steady()) {}

uint64_t TickClock::ask() noexcept {
  const uint64_t before = read_ticks();
  const uint64_t us = monotonic_us();
  const uint64_t after = read_ticks();
  // Where the thread lost its CPU between the two they do not belong together: the next call asks again.
  if (steady_ && after - before < kTornTicks) learn(before, us);
  last_us_ = std::max(last_us_, us);
  return last_us_;
}

void TickClock::learn(uint64_t ticks, uint64_t us) noexcept {
  if (first_us_ == 0) {
    first_ticks_ = ticks;
    first_us_ = us;
  }
  const uint64_t passed_us = us - first_us_;
  const uint64_t passed_ticks = ticks - first_ticks_;
  anchor_ticks_ = ticks;
  anchor_us_ = us;
  // A counter slower than 10 MHz, or faster than 100 GHz, has jumped.
  const bool sane = passed_ticks / 10 >= passed_us && passed_ticks / 100'000 <= passed_us;
  if (passed_us < kLearnUs && sane) return;
  horizon_ticks_ = 0;
  if (sane) {
    const double us_per_tick = static_cast<double>(passed_us) / static_cast<double>(passed_ticks);
    us_per_tick_ = static_cast<uint64_t>(us_per_tick * static_cast<double>(1ull << kFraction));
    horizon_ticks_ = static_cast<uint64_t>(kHorizonUs / us_per_tick);
    if (passed_us < kForgetUs) return;
  }
  first_ticks_ = ticks;
  first_us_ = us;
}

}  // namespace sluice
