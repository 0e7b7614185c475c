#include <algorithm>
#include <catch2/catch.hpp>
#include <optional>

#include "base/prng.hpp"
#include "tcp/timer_wheel.hpp"

using namespace sluice;
using namespace sluice::tcp;

namespace {

constexpr uint32_t kTransfers = 64;

// A wheel beside a list of what waits, which is all that it should do.
class Compared {
 public:
  explicit Compared(uint32_t now_ms) : slab_(kTransfers), wheel_(slab_, now_ms), now_ms_(now_ms) {
    for (uint32_t i = 0; i < kTransfers; ++i) REQUIRE(slab_.allocate() == i);
  }

  // A millisecond at least: what is due already goes with the next one.
  void set(uint32_t index, uint32_t wait_ms) {
    wheel_.set(index, TimerKind::kRetransmit, now_ms_ + wait_ms);
    waits_[index] = now_ms_ + wait_ms;
  }
  void cancel(uint32_t index) {
    wheel_.cancel(index);
    waits_[index].reset();
  }
  void remove(uint32_t index) {
    wheel_.remove(index);
    waits_[index].reset();
  }

  // Everything that is due by then expires, and nothing else.
  void advance(uint32_t ms) {
    now_ms_ += ms;
    TimerKind kind = TimerKind::kNone;
    for (uint32_t index = wheel_.expire(now_ms_, kind); index != kNone; index = wheel_.expire(now_ms_, kind)) {
      REQUIRE(kind == TimerKind::kRetransmit);
      REQUIRE(waits_[index].has_value());
      REQUIRE_FALSE(clock_before(now_ms_, *waits_[index]));
      waits_[index].reset();
    }
    for (const auto& due_ms : waits_) REQUIRE((!due_ms || clock_before(now_ms_, *due_ms)));
  }

  // Nobody who sleeps until then wakes up late.
  void check_next_due() const {
    uint32_t next_ms = 0;
    const bool waits = wheel_.next_due(next_ms);
    for (const auto& due_ms : waits_) {
      if (!due_ms) continue;
      REQUIRE(waits);
      REQUIRE_FALSE(clock_before(*due_ms, next_ms));
    }
  }

  // Sleeps as often as the wheel says until all has expired; how often that was.
  uint32_t sleep_until_done() {
    uint32_t sleeps = 0;
    for (uint32_t next_ms = 0; wheel_.next_due(next_ms); ++sleeps) advance(std::max<uint32_t>(next_ms - now_ms_, 1));
    return sleeps;
  }

 private:
  Slab<Transfer> slab_;
  TimerWheel wheel_;
  uint32_t now_ms_;
  std::optional<uint32_t> waits_[kTransfers];
};

}  // namespace

TEST_CASE("tcp: a timer expires when it is due, however far time jumps") {
  // Half of them over the end of the clock's 32 bits.
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    Prng random(seed);
    Compared wheel(seed % 2 == 0 ? static_cast<uint32_t>(random.next()) : UINT32_MAX - 70'000);
    for (int step = 0; step < 1'500; ++step) {
      const auto index = static_cast<uint32_t>(random.next() % kTransfers);
      switch (random.next() % 8) {
        case 0:
          wheel.cancel(index);
          break;
        case 1:
          wheel.remove(index);
          break;
        case 2:
        case 3:
          wheel.advance(1u << random.next() % 22);
          break;
        case 4:
          wheel.advance(static_cast<uint32_t>(random.next() % 3));
          break;
        default:
          wheel.set(index, 1 + static_cast<uint32_t>(random.next() % (1u << random.next() % 22)));
          break;
      }
      wheel.check_next_due();
    }
  }
}

TEST_CASE("tcp: who waits for one timer sleeps a few times, not each millisecond") {
  Compared wheel(1'000);
  wheel.set(0, 60'000);
  // Once for each 256 ms at most.
  CHECK(wheel.sleep_until_done() <= 60'000 / 256 + 2);
}
