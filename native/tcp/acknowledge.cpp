#include "tcp/acknowledge.hpp"

#include <algorithm>
#include <utility>

#include "tcp/rtt.hpp"
#include "tcp/transmit.hpp"
#include "tcp/window.hpp"

namespace sluice::tcp {

namespace {

// Within one burst of frames: acknowledging each pair of segments would only make the peer's NIC merge what nobody needs.
constexpr uint32_t kSegmentsPerAckInBurst = 8;

// With data on its way in the other direction too, what comes back for that lets more be sent, which takes the acknowledgement along: one
// that goes by itself, ahead of it, takes room on the wire. It is waited for so long, a tenth of the round trip at most.
constexpr uint32_t kHoldUs = 500;

bool may_hold_back(const Tcb& row) noexcept {
  return row.in_flight() > 2u * row.mss && row.has(kSackOk) && srtt_us(row) >= 10 * kHoldUs && row.state == State::kEstablished;
}

void hold_back(Stack& stack, Tcb& row) {
  row.set(kAckHeld);
  if (row.has(kInHeldQueue)) return;
  row.set(kInHeldQueue);
  stack.held_acks.push({stack.row_of(row), stack.now_us32() + kHoldUs});
}

void run_held_acks(Stack& stack) {
  while (!stack.held_acks.empty() && !clock_before(stack.now_us32(), stack.held_acks.front().due_us)) {
    Tcb& row = stack.rows[stack.held_acks.front().row];
    stack.held_acks.pop();
    if (row.has(kAckHeld) && !row.has(kDying)) send_ack(stack, row);
    unlist(stack, row, kInHeldQueue);
  }
}

}  // namespace

bool acknowledges_promptly(const Tcb& row) noexcept { return row.lossy != 0 && srtt_us(row) < 10 * kHoldUs; }

void owe_ack_now(Stack& stack, Tcb& row) {
  if (acknowledges_promptly(row)) stack.prompt_owed = true;
  row.set(kAckNow);
  if (row.has(kInAckList)) return;
  row.set(kInAckList);
  stack.ack_list.push_back(stack.row_of(row));
}

void owe_ack(Stack& stack, Tcb& row) {
  const uint32_t owed = row.rcv_nxt - row.last_ack_sent;
  const uint32_t segment = std::max<uint32_t>(row.rcv_mss, 64);
  if (owed >= kSegmentsPerAckInBurst * segment && owed >= 4096) return send_ack(stack, row);
  // RFC 5681 §4.2: at least every second full segment.
  const bool due = acknowledges_promptly(row) || row.quick_acks != 0 || (owed >= 2 * segment && owed >= 536);
  if (due && may_hold_back(row)) return hold_back(stack, row);
  if (due || window_update_due(stack, row)) return owe_ack_now(stack, row);
  if (row.has(kAckDelayed)) return;
  row.set(kAckDelayed);
  if (row.has(kInDelayQueue)) return;
  row.set(kInDelayQueue);
  stack.delayed_acks.push({stack.row_of(row), stack.now_ms() + stack.options.delayed_ack_ms});
}

void owe_ack_behind_gap(Stack& stack, Tcb& row) {
  if (may_hold_back(row)) return hold_back(stack, row);
  // With the turn's data, if there is any.
  if (row.has(kSackOk) && row.in_flight() != 0) return owe_ack_now(stack, row);
  send_ack(stack, row);
}

bool send_prompt_acks(Stack& stack) {
  if (!std::exchange(stack.prompt_owed, false)) return false;
  // They stay in the list, owing nothing more.
  for (const uint32_t index : stack.ack_list) {
    Tcb& row = stack.rows[index];
    if (row.has(kAckNow) && !row.has(kDying) && acknowledges_promptly(row)) send_ack(stack, row);
  }
  return true;
}

void flush_acks(Stack& stack) {
  for (const uint32_t index : stack.ack_list) {
    Tcb& row = stack.rows[index];
    if (row.has(kAckNow) && !row.has(kDying)) send_ack(stack, row);
    unlist(stack, row, kInAckList);
  }
  stack.ack_list.clear();
  run_held_acks(stack);
}

void run_delayed_acks(Stack& stack) {
  while (!stack.delayed_acks.empty() && !clock_before(stack.now_ms(), stack.delayed_acks.front().due_ms)) {
    const uint32_t index = stack.delayed_acks.front().row;
    stack.delayed_acks.pop();
    Tcb& row = stack.rows[index];
    const uint32_t due_ms = row.last_receive_ms + stack.options.delayed_ack_ms;
    // What is owed now may have come after what this entry was made for.
    if (row.has(kAckDelayed) && !row.has(kDying) && clock_before(stack.now_ms(), due_ms)) {
      stack.delayed_acks.push({index, due_ms});
      continue;
    }
    if (row.has(kAckDelayed) && !row.has(kDying)) {
      ++stack.counters.acks_delayed;
      send_ack(stack, row);
    }
    unlist(stack, row, kInDelayQueue);
  }
}

}  // namespace sluice::tcp
