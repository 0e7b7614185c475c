#include "tcp/pacing.hpp"

#include <algorithm>

#include "tcp/rtt.hpp"
#include "tcp/send.hpp"

namespace sluice::tcp {

namespace {

// May always leave at once: 64 full segments, which most queues hold. Few connections ever have more to send than that, and only these are
// looked at again each millisecond.
constexpr uint32_t kBurstSegments = 64;
// Between two looks at what is paced; all wait equally long, so they stand in a queue.
constexpr uint32_t kTurnUs = 1000;
// A burst is what the pace makes of so long: a thread that wakes late makes up for it.
constexpr uint32_t kBurstUs = 2 * kTurnUs;

// A congestion window in a round trip. More (RFC 9002 §7.7 has a quarter) is for senders that pace everything: here the pace ends, and
// acknowledgements take over, when the window is full.
uint32_t bytes_in(const Tcb& row, uint32_t us) noexcept {
  return static_cast<uint32_t>(std::min<uint64_t>(static_cast<uint64_t>(row.cwnd) * us / (srtt_us(row) | 1), UINT32_MAX));
}

uint32_t burst(const Tcb& row) noexcept { return std::max(kBurstSegments * row.mss, bytes_in(row, kBurstUs)); }

}  // namespace

uint32_t paced_room(const Stack& stack, const Tcb& row, const Transfer& transfer) noexcept {
  const uint32_t few = kBurstSegments * row.mss;
  if (transfer.write_end - row.snd_una <= few) return UINT32_MAX;
  const uint32_t in_network = pipe(row, transfer);
  if (row.cwnd <= in_network + few || row.srtt_us8 == 0) return UINT32_MAX;
  const uint32_t most = burst(row);
  if (row.cwnd - in_network <= most) return UINT32_MAX;
  return std::min(most, bytes_in(row, std::min(stack.now_us32() - transfer.paced_us, srtt_us(row))));
}

void note_paced(const Stack& stack, const Tcb& row, Transfer& transfer, uint32_t bytes) noexcept {
  const auto us_of = [&](uint32_t count) { return static_cast<uint32_t>(static_cast<uint64_t>(count) * srtt_us(row) / row.cwnd); };
  const uint32_t now_us = stack.now_us32();
  // What was not used of more than a burst is lost.
  const uint32_t credit_us = std::min(now_us - transfer.paced_us, us_of(burst(row)));
  transfer.paced_us = now_us - credit_us + std::min(us_of(bytes), credit_us);
}

void wait_for_pace(Stack& stack, const Tcb& row, Transfer& transfer, bool only_a_turn) {
  if (transfer.awaits_pace) return;
  transfer.awaits_pace = true;
  Fifo<Paced>& queue = only_a_turn ? stack.next_turn : stack.paced;
  queue.push({row.transfer, stack.now_us32() + (only_a_turn ? 0 : kTurnUs)});
}

namespace {

uint32_t run_queue(Stack& stack, Fifo<Paced>& queue) {
  uint32_t ran = 0;
  for (size_t left = queue.size(); left != 0; --left) {
    const Paced next = queue.front();
    if (clock_before(stack.now_us32(), next.due_us)) break;
    queue.pop();
    Transfer& transfer = stack.transfers[next.transfer];
    if (!transfer.awaits_pace) continue;
    transfer.awaits_pace = false;
    // It may have been given back meanwhile.
    Tcb& row = stack.rows[transfer.tcb];
    if (row.has(kDying) || row.transfer != next.transfer) continue;
    push_out(stack, row);
    ++ran;
  }
  return ran;
}

}  // namespace

uint32_t run_paced(Stack& stack) { return run_queue(stack, stack.next_turn) + run_queue(stack, stack.paced); }

}  // namespace sluice::tcp
