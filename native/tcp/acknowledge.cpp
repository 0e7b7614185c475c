#include "tcp/acknowledge.hpp"

#include <algorithm>

#include "tcp/transmit.hpp"
#include "tcp/window.hpp"

namespace sluice::tcp {

namespace {

// Within one burst of frames: acknowledging each pair of segments would only make the peer's NIC merge what nobody needs.
constexpr uint32_t kSegmentsPerAckInBurst = 8;

// RFC 5681 §4.2 has an acknowledgement for each segment behind a gap, so that three of them (§3.2) make the sender repeat what is missing.
// Those behind the third only make a block of SACK longer. Sent for each, they are a third more segments than otherwise on a link that may
// be full of data in that direction: a few are put together, as Linux does (for up to a millisecond and 44 segments).
constexpr uint8_t kGapAcksAtOnce = 3;
constexpr uint8_t kSegmentsPerGapAck = 4;
constexpr uint64_t kGapAckWaitUs = 100;

}  // namespace

void owe_ack_now(Stack& stack, Tcb& row) {
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
  if (row.quick_acks != 0 || (owed >= 2 * segment && owed >= 536) || window_update_due(stack, row)) return owe_ack_now(stack, row);
  if (row.has(kAckDelayed)) return;
  row.set(kAckDelayed);
  if (row.has(kInDelayQueue)) return;
  row.set(kInDelayQueue);
  stack.delayed_acks.push({stack.row_of(row), stack.now_ms() + stack.options.delayed_ack_ms});
}

void acknowledge_gap(Stack& stack, Tcb& row, Transfer& transfer, bool news) {
  ++transfer.gap_segments;
  // Without SACK the sender counts them (RFC 6582 §3.2).
  const bool now = news || !row.has(kSackOk) || transfer.gap_acks < kGapAcksAtOnce || transfer.gap_segments >= kSegmentsPerGapAck;
  if (now) {
    if (transfer.gap_acks < kGapAcksAtOnce) ++transfer.gap_acks;
    transfer.gap_segments = 0;
    return send_ack(stack, row);
  }
  if (row.has(kInGapQueue)) return;
  row.set(kInGapQueue);
  stack.gap_acks.push({stack.row_of(row), stack.now_us + kGapAckWaitUs});
}

void run_gap_acks(Stack& stack) {
  while (!stack.gap_acks.empty() && stack.gap_acks.front().due_us <= stack.now_us) {
    Tcb& row = stack.rows[stack.gap_acks.front().row];
    stack.gap_acks.pop();
    Transfer* const transfer = row.has(kDying) ? nullptr : stack.transfer_of(row);
    if (transfer != nullptr && transfer->gap_segments != 0) {
      transfer->gap_segments = 0;
      send_ack(stack, row);
    }
    unlist(stack, row, kInGapQueue);
  }
}

void flush_acks(Stack& stack) {
  for (const uint32_t index : stack.ack_list) {
    Tcb& row = stack.rows[index];
    if (row.has(kAckNow) && !row.has(kDying)) send_ack(stack, row);
    unlist(stack, row, kInAckList);
  }
  stack.ack_list.clear();
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
