#include "tcp/waiting_syns.hpp"

#include "tcp/input.hpp"
#include "tcp/stack.hpp"
#include "wire/tcp.hpp"

namespace sluice::tcp {

namespace {

constexpr uint32_t kSynsATurn = 32;
// More wait for the device only where it takes none (Transmitter hands over 256 at a time): answers would stand before what the
// connected are sent.
constexpr uint32_t kFramesWaiting = 256;

bool is_syn(const net::Segment& segment) noexcept {
  const auto view = wire::TcpView::parsed(segment.packet->data);
  return (view.flags() & (wire::kSyn | wire::kAck | wire::kRst)) == wire::kSyn;
}

// They have left the cache while they waited.
[[gnu::always_inline]] inline void prefetch(const net::Segment* syns, uint32_t count) noexcept {
  for (uint32_t i = 0; i < count; ++i) nic::PacketPool::prefetch(syns[i].packet);
  for (uint32_t i = 0; i < count; ++i) {
    // A header most often lies in two lines.
    __builtin_prefetch(syns[i].packet->data);
    __builtin_prefetch(syns[i].packet->data + syns[i].header_bytes - 1);
  }
}

uint32_t answer_some(Stack& stack) {
  uint32_t count = 0;
  const net::Segment* const syns = stack.waiting_syns.take(kSynsATurn, count);
  prefetch(syns, count);
  take_segments(stack, syns, count);
  return count;
}

void put_aside(Stack& stack, const net::Segment& syn) {
  // None is dropped: of clients that come all at once, each would try again a second later.
  if (stack.waiting_syns.full()) answer_some(stack);
  stack.waiting_syns.push(syn);
}

}  // namespace

void take_connected_first(Stack& stack, const net::Segment* segments, uint32_t count) {
  uint32_t first = 0;
  while (first < count && !is_syn(segments[first])) ++first;
  if (__builtin_expect(first == count, 1)) return take_segments(stack, segments, count);
  constexpr uint32_t kTogether = 64;
  net::Segment others[kTogether];
  uint32_t kept = 0;
  for (uint32_t i = 0; i < count; ++i) {
    if (is_syn(segments[i])) {
      put_aside(stack, segments[i]);
      continue;
    }
    others[kept++] = segments[i];
    if (kept < kTogether) continue;
    take_segments(stack, others, kept);
    kept = 0;
  }
  take_segments(stack, others, kept);
}

bool may_answer_syns(const Stack& stack) noexcept {
  return !stack.waiting_syns.empty() && stack.ip.frames_waiting() <= kFramesWaiting;
}

uint32_t take_waiting_syns(Stack& stack) { return may_answer_syns(stack) ? answer_some(stack) : 0; }

void drop_waiting_syns(Stack& stack) noexcept {
  while (!stack.waiting_syns.empty()) {
    uint32_t count = 0;
    const net::Segment* const syns = stack.waiting_syns.take(UINT32_MAX, count);
    for (uint32_t i = 0; i < count; ++i) stack.packets.unref_frame(syns[i].packet);
  }
}

}  // namespace sluice::tcp
