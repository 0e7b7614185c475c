#include "tcp/pacing.hpp"

#include <algorithm>

#include "tcp/acknowledge.hpp"
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

// Between two looks at what is spread: a full segment each is 93 Mbit/s, and less is never made of it.
constexpr uint32_t kSpreadUs = 125;
// The half round trips in which what waits would leave if it went on at the pace of the moment. An application that has more than the
// queue takes is not slowed: with two congestion windows queued that is two windows in a round trip.
constexpr uint32_t kSpreadHalves = 4;
constexpr uint32_t kSpreadHalvesHeldBack = 1;

// A congestion window in a round trip. More (RFC 9002 §7.7 has a quarter) is for senders that pace everything: here the pace ends, and
// acknowledgements take over, when the window is full.
uint32_t bytes_in(const Tcb& row, uint32_t us) noexcept {
  return static_cast<uint32_t>(std::min<uint64_t>(static_cast<uint64_t>(row.cwnd) * us / (srtt_us(row) | 1), UINT32_MAX));
}

uint32_t burst(const Tcb& row) noexcept { return std::max(kBurstSegments * row.mss, bytes_in(row, kBurstUs)); }

// The pace goes with what waits, and so follows the application's.
uint32_t spread_room(const Stack& stack, const Tcb& row, const Transfer& transfer) noexcept {
  const uint32_t unsent = transfer.write_end - row.snd_nxt;
  if (unsent <= row.mss) return UINT32_MAX;
  const uint32_t passed_us = stack.now_us32() - transfer.paced_us;
  if (passed_us < kSpreadUs) return 0;
  // A thread that was late makes up for one look, not for more.
  const uint32_t counted_us = std::min(passed_us, 2 * kSpreadUs);
  const uint32_t halves = row.has(kWantWritable) ? kSpreadHalvesHeldBack : kSpreadHalves;
  const uint32_t over_us = std::max(halves * srtt_us(row) / 2, counted_us);
  const auto due = static_cast<uint32_t>(static_cast<uint64_t>(unsent) * counted_us / over_us);
  return std::max<uint32_t>(due + row.mss / 2, row.mss);
}

}  // namespace

uint32_t paced_room(const Stack& stack, const Tcb& row, const Transfer& transfer) noexcept {
  if (acknowledges_promptly(row)) return spread_room(stack, row, transfer);
  const uint32_t few = kBurstSegments * row.mss;
  if (transfer.write_end - row.snd_una <= few) return UINT32_MAX;
  const uint32_t in_network = pipe(row, transfer);
  if (row.cwnd <= in_network + few || row.srtt_us8 == 0) return UINT32_MAX;
  const uint32_t most = burst(row);
  if (row.cwnd - in_network <= most) return UINT32_MAX;
  return std::min(most, bytes_in(row, std::min(stack.now_us32() - transfer.paced_us, srtt_us(row))));
}

void note_paced(const Stack& stack, const Tcb& row, Transfer& transfer, uint32_t bytes) noexcept {
  if (acknowledges_promptly(row)) {
    transfer.paced_us = stack.now_us32();
    return;
  }
  const auto us_of = [&](uint32_t count) { return static_cast<uint32_t>(static_cast<uint64_t>(count) * srtt_us(row) / row.cwnd); };
  const uint32_t now_us = stack.now_us32();
  // What was not used of more than a burst is lost.
  const uint32_t credit_us = std::min(now_us - transfer.paced_us, us_of(burst(row)));
  transfer.paced_us = now_us - credit_us + std::min(us_of(bytes), credit_us);
}

void wait_for_pace(Stack& stack, const Tcb& row, Transfer& transfer) {
  if (transfer.awaits_pace) return;
  transfer.awaits_pace = true;
  const bool spread = acknowledges_promptly(row);
  Fifo<Paced>& queue = spread ? stack.spread : stack.paced;
  queue.push({row.transfer, stack.now_us32() + (spread ? kSpreadUs : kTurnUs)});
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

uint32_t run_paced(Stack& stack) { return run_queue(stack, stack.spread) + run_queue(stack, stack.paced); }

}  // namespace sluice::tcp
