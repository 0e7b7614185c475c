#include "base/tick_clock.hpp"

#include <catch2/catch.hpp>

#include <algorithm>

#include "base/clock.hpp"

using namespace sluice;

TEST_CASE("tick clock: it keeps to the machine's monotonic time, and never goes back", "[clock]") {
  // By its contract it is off by what the counter drifts in a millisecond; half of that is far more.
  constexpr uint64_t kSlackUs = 500;
  TickClock clock;
  uint64_t last_us = 0;
  uint64_t early_us = 0;
  uint64_t late_us = 0;
  bool back = false;
  const uint64_t end_us = monotonic_us() + 60'000;
  for (uint64_t before_us = monotonic_us(); before_us < end_us; before_us = monotonic_us()) {
    const uint64_t us = clock.now_us();
    const uint64_t after_us = monotonic_us();
    if (us < before_us) early_us = std::max(early_us, before_us - us);
    if (us > after_us) late_us = std::max(late_us, us - after_us);
    back = back || us < last_us;
    last_us = us;
  }
  CHECK(early_us <= kSlackUs);
  CHECK(late_us <= kSlackUs);
  CHECK_FALSE(back);
}
