#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>

#include "base/lazy_array.hpp"
#include "net/ip_layer.hpp"

namespace sluice::tcp {

struct Stack;

// SYNs that have come and are not looked at yet, with the packets that they came in: whoever is connected goes first. Bounded.
class WaitingSyns {
 public:
  // More than a device's ring holds after a pause, and no great part of the packets.
  explicit WaitingSyns(uint32_t packets_total)
      : size_(std::bit_floor(std::clamp(packets_total / 8, 1u, 2048u))), flows_(size_), segments_(size_) {}

  bool empty() const noexcept { return head_ == tail_; }
  bool full() const noexcept { return used() == size_; }
  uint32_t used() const noexcept { return tail_ - head_; }

  void push(const net::Segment& segment) noexcept {
    SLUICE_ASSERT(!full());
    const uint32_t at = tail_++ & (size_ - 1);
    flows_[at] = *segment.flow;
    segments_[at] = segment;
    segments_[at].flow = &flows_[at];
  }

  // Some of the oldest, `most` at most: at least one where there is any. The caller's until the next push.
  const net::Segment* take(uint32_t most, uint32_t& count) noexcept {
    const uint32_t at = head_ & (size_ - 1);
    count = std::min({most, used(), size_ - at});
    head_ += count;
    // Only the beginning is in the cache, as long as few wait.
    if (empty()) head_ = tail_ = 0;
    return &segments_[at];
  }

  void populate_if_small() noexcept {
    flows_.populate_if_small();
    segments_.populate_if_small();
  }
  uint64_t bytes() const noexcept { return flows_.bytes() + segments_.bytes(); }

 private:
  const uint32_t size_;
  LazyArray<net::Flow> flows_;
  LazyArray<net::Segment> segments_;
  uint32_t head_ = 0;
  uint32_t tail_ = 0;
};

// Segments that came together: of them the SYNs wait, and all others are taken. Takes the packets.
void take_connected_first(Stack& stack, const net::Segment* segments, uint32_t count);
// Some of the SYNs that wait, as many as a turn may spend on them; none while the device does not take the answers.
uint32_t take_waiting_syns(Stack& stack);
bool may_answer_syns(const Stack& stack) noexcept;
void drop_waiting_syns(Stack& stack) noexcept;

}  // namespace sluice::tcp
