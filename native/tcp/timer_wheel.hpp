#pragma once

#include <cstdint>

#include "tcp/slab.hpp"
#include "tcp/transfer.hpp"

namespace sluice::tcp {

// A hierarchical timing wheel (Varghese, Lauck 1987, scheme 7) of transfers, in milliseconds: 256 buckets of 1 ms, 64 of 256 ms and 64
// of 16.4 s. Putting a time off, which every acknowledgement does, only writes due_ms: the transfer is moved when its old time comes.
class TimerWheel {
 public:
  TimerWheel(Slab<Transfer>& transfers, uint32_t now_ms);

  void set(uint32_t index, TimerKind kind, uint32_t due_ms) noexcept;
  void cancel(uint32_t index) noexcept { transfers_[index].timer = TimerKind::kNone; }
  // The transfer is about to be given back.
  void remove(uint32_t index) noexcept;

  // Moves on to now_ms and returns a transfer that is due, its timer cancelled and named in `kind`, or kNone when there are no more.
  uint32_t expire(uint32_t now_ms, TimerKind& kind) noexcept;
  // When expire() has something to do, or something to move, at the latest; false where nothing waits.
  bool next_due(uint32_t& due_ms) const noexcept;

 private:
  static constexpr uint32_t kFine = 256;
  static constexpr uint32_t kCoarse = 64;
  static constexpr uint32_t kBuckets = kFine + 2 * kCoarse;
  static constexpr uint16_t kUnqueued = UINT16_MAX;

  void queue(uint32_t index, uint32_t due_ms) noexcept;
  void link(uint32_t index, uint16_t bucket) noexcept;
  void unlink(uint32_t index) noexcept;
  void cascade(uint16_t bucket) noexcept;
  // The first millisecond from this one on in whose bucket something waits, or the one at which coarser buckets are spread out again.
  uint32_t next_look(uint32_t from_ms) const noexcept;

  Slab<Transfer>& transfers_;
  uint32_t now_ms_;
  uint32_t queued_ = 0;
  uint32_t heads_[kBuckets];
  uint64_t occupied_[kBuckets / 64] = {};
};

}  // namespace sluice::tcp
