#include "tcp/timer_wheel.hpp"

#include <algorithm>
#include <bit>
#include <iterator>

#include "base/assert.hpp"

namespace sluice::tcp {

TimerWheel::TimerWheel(Slab<Transfer>& transfers, uint32_t now_ms) : transfers_(transfers), now_ms_(now_ms) {
  std::fill(std::begin(heads_), std::end(heads_), kNone);
}

void TimerWheel::set(uint32_t index, TimerKind kind, uint32_t due_ms) noexcept {
  Transfer& transfer = transfers_[index];
  transfer.timer = kind;
  transfer.due_ms = due_ms;
  if (transfer.bucket != kUnqueued) {
    if (!clock_before(due_ms, transfer.queued_ms)) return;
    unlink(index);
  }
  queue(index, due_ms);
}

void TimerWheel::remove(uint32_t index) noexcept {
  if (transfers_[index].bucket != kUnqueued) unlink(index);
  transfers_[index].timer = TimerKind::kNone;
}

void TimerWheel::queue(uint32_t index, uint32_t due_ms) noexcept {
  // What is due already goes with the next millisecond, whose bucket has not been looked at.
  if (!clock_before(now_ms_, due_ms)) due_ms = now_ms_ + 1;
  transfers_[index].queued_ms = due_ms;
  const uint32_t wait = due_ms - now_ms_;
  if (wait < kFine) return link(index, static_cast<uint16_t>(due_ms % kFine));
  if (wait < kFine * kCoarse) return link(index, static_cast<uint16_t>(kFine + due_ms / kFine % kCoarse));
  // Beyond 17 minutes it comes round early and is queued again.
  const uint32_t at = wait < kFine * kCoarse * kCoarse ? due_ms : now_ms_ + kFine * kCoarse * (kCoarse - 1);
  link(index, static_cast<uint16_t>(kFine + kCoarse + at / (kFine * kCoarse) % kCoarse));
}

void TimerWheel::link(uint32_t index, uint16_t bucket) noexcept {
  Transfer& transfer = transfers_[index];
  transfer.bucket = bucket;
  transfer.timer_previous = kNone;
  transfer.timer_next = heads_[bucket];
  if (transfer.timer_next != kNone) transfers_[transfer.timer_next].timer_previous = index;
  heads_[bucket] = index;
  occupied_[bucket / 64] |= 1ull << bucket % 64;
  ++queued_;
}

void TimerWheel::unlink(uint32_t index) noexcept {
  Transfer& transfer = transfers_[index];
  const uint16_t bucket = transfer.bucket;
  if (transfer.timer_previous != kNone) {
    transfers_[transfer.timer_previous].timer_next = transfer.timer_next;
  } else {
    SLUICE_ASSERT(heads_[bucket] == index);
    heads_[bucket] = transfer.timer_next;
    if (heads_[bucket] == kNone) occupied_[bucket / 64] &= ~(1ull << bucket % 64);
  }
  if (transfer.timer_next != kNone) transfers_[transfer.timer_next].timer_previous = transfer.timer_previous;
  transfer.bucket = kUnqueued;
  --queued_;
}

void TimerWheel::cascade(uint16_t bucket) noexcept {
  while (heads_[bucket] != kNone) {
    const uint32_t index = heads_[bucket];
    unlink(index);
    if (transfers_[index].timer != TimerKind::kNone) queue(index, transfers_[index].due_ms);
  }
}

uint32_t TimerWheel::expire(uint32_t now_ms, TimerKind& kind) noexcept {
  for (;;) {
    const auto bucket = static_cast<uint16_t>(now_ms_ % kFine);
    while (heads_[bucket] != kNone) {
      const uint32_t index = heads_[bucket];
      Transfer& transfer = transfers_[index];
      unlink(index);
      if (transfer.timer == TimerKind::kNone) continue;
      if (clock_before(now_ms_, transfer.due_ms)) {
        queue(index, transfer.due_ms);
        continue;
      }
      kind = transfer.timer;
      transfer.timer = TimerKind::kNone;
      return index;
    }
    if (!clock_before(now_ms_, now_ms)) return kNone;
    if (queued_ == 0) {
      now_ms_ = now_ms;
      continue;
    }
    ++now_ms_;
    if (now_ms_ % kFine != 0) {
      const uint32_t next_ms = next_look(now_ms_);
      now_ms_ = clock_before(now_ms, next_ms) ? now_ms : next_ms;
    }
    if (now_ms_ % (kFine * kCoarse) == 0) {
      cascade(static_cast<uint16_t>(kFine + kCoarse + now_ms_ / (kFine * kCoarse) % kCoarse));
    }
    if (now_ms_ % kFine == 0) cascade(static_cast<uint16_t>(kFine + now_ms_ / kFine % kCoarse));
  }
}

uint32_t TimerWheel::next_look(uint32_t from_ms) const noexcept {
  const uint32_t first = from_ms % kFine;
  for (uint32_t word = first / 64; word < kFine / 64; ++word) {
    const uint64_t occupied = word == first / 64 ? occupied_[word] & ~0ull << first % 64 : occupied_[word];
    if (occupied != 0) return from_ms - first + word * 64 + static_cast<uint32_t>(std::countr_zero(occupied));
  }
  return from_ms - first + kFine;
}

bool TimerWheel::next_due(uint32_t& due_ms) const noexcept {
  if (queued_ == 0) return false;
  // The bucket of this very millisecond may still hold what came round early.
  due_ms = next_look(now_ms_);
  return true;
}

}  // namespace sluice::tcp
