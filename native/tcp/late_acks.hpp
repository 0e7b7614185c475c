#pragma once

#include <cstdint>

namespace sluice::tcp {

// Whether acknowledgements of all connections are late, because this host or the one that answers for many of them does more than it can.
// Round trips of single connections do not tell: most say little, and their estimates are of a better time. Time-outs then send again what
// has arrived, which is more to do for both. While many time-outs have turned out spurious lately, all last a second at least, as RFC 6298
// §2.4 would have them always.
class LateAcks {
 public:
  static constexpr uint32_t kLeastMs = 1000;
  // So many within kWindowMs are no single peer's doing, and too many for reordering on paths.
  static constexpr uint32_t kMany = 64;
  static constexpr uint32_t kWindowMs = 100;

  // A time-out, or a probe in its place, was spurious.
  void note(uint32_t now_ms) noexcept {
    if (now_ms - window_ms_ >= kWindowMs) {
      window_ms_ = now_ms;
      count_ = 0;
    }
    if (++count_ < kMany) return;
    seen_ = true;
    seen_ms_ = now_ms;
  }

  // The shortest that a time-out may be now; 0: what its connection's round trips say.
  uint32_t least_ms(uint32_t now_ms) const noexcept { return seen_ && now_ms - seen_ms_ < kLeastMs ? kLeastMs : 0; }

 private:
  uint32_t window_ms_ = 0;
  uint32_t count_ = 0;
  uint32_t seen_ms_ = 0;
  bool seen_ = false;
};

}  // namespace sluice::tcp
