#include "tcp/ack_input.hpp"

#include <algorithm>

#include "tcp/challenge.hpp"
#include "tcp/closing.hpp"
#include "tcp/congestion.hpp"
#include "tcp/orphans.hpp"
#include "tcp/rack.hpp"
#include "tcp/recovery.hpp"
#include "tcp/retransmit_timer.hpp"
#include "tcp/rtt.hpp"
#include "tcp/send.hpp"
#include "tcp/sent_packet.hpp"
#include "tcp/short_flight.hpp"

namespace sluice::tcp {

namespace {

// RFC 9293 §3.10.7.4: the window of a segment that is newer than the one that it was last taken from. True when it changed. What
// acknowledges more is newer whatever its own number says (a retransmission behind what overtook it): the old window counted from the
// new acknowledgement would end beyond anything that the peer ever offered.
bool take_window(Tcb& row, const Arrival& arrival) noexcept {
  const bool newer = row.snd_una < arrival.ack || row.snd_wl1 < arrival.seq || (row.snd_wl1 == arrival.seq && row.snd_wl2 <= arrival.ack);
  if (!newer) return false;
  const uint32_t window = static_cast<uint32_t>(arrival.window) << row.send_shift();
  const bool changed = window != row.snd_wnd;
  row.snd_wnd = window;
  row.snd_wnd_max = std::max(row.snd_wnd_max, window);
  row.snd_wl1 = arrival.seq;
  row.snd_wl2 = arrival.ack;
  return changed;
}

// RFC 5681 §2
bool is_duplicate_ack(const Tcb& row, const Arrival& arrival, bool window_changed) noexcept {
  return arrival.ack == row.snd_una && row.in_flight() != 0 && arrival.length() == 0 && !window_changed;
}

void note_progress(Tcb& row, Transfer& transfer, const Delivery& delivery) {
  if (delivery.rtt_us != 0) {
    update_rtt(row, delivery.rtt_us);
    hystart_sample(row, transfer, delivery.rtt_us);
  }
  if (!delivery.advanced) return;
  // RFC 6298 §5.7: a time-out's back-off ends with what is measured anew; also where retransmissions leave nothing to measure.
  transfer.backoff = 0;
  transfer.stalled_probes = 0;
}

void take_with_data_out(Stack& stack, Tcb& row, Transfer& transfer, const Arrival& arrival, bool window_changed) {
  Delivery delivery;
  const bool duplicate = is_duplicate_ack(row, arrival, window_changed);
  if (arrival.ack > row.snd_una) take_acknowledged(stack, row, transfer, arrival, delivery);
  apply_sacks(stack, row, transfer, arrival, delivery);
  note_progress(row, transfer, delivery);
  // Nothing that this acknowledgement says concerns losses, for nearly all of them.
  const bool quiet = transfer.phase == Phase::kOpen && transfer.sacked_packets == 0 && !delivery.duplicate_reported;
  uint32_t reorder_us = 0;
  if (row.has(kSackOk) && !quiet) reorder_us = rack_detect_losses(stack, row, transfer, delivery.duplicate_reported);
  react_to_ack(stack, row, transfer, arrival, delivery, duplicate);
  if (row.in_flight() == 0) {
    transfer.phase = Phase::kOpen;
    transfer.frto = 0;
  }
  push_out(stack, row);
  if (reorder_us != 0 && row.in_flight() != 0) {
    arm_reorder_timer(stack, row, transfer, reorder_us);
  } else if (delivery.advanced || delivery.sacked) {
    arm_send_timer(stack, row, transfer, true);
  }
}

// Nothing of the flight was lost, sent again, probed or selectively acknowledged, and nothing else needs the transfer.
bool as_sent(const Transfer& transfer) noexcept {
  if (transfer.phase != Phase::kOpen || transfer.send_next != nullptr || transfer.held_head != nullptr) return false;
  if (transfer.fin_known || transfer.frto != 0 || transfer.tail_probe_out || transfer.backoff != 0) return false;
  if ((transfer.lost_bytes | transfer.sacked_packets | transfer.reno_bytes) != 0) return false;
  // A longer flight is not worth the walk.
  uint32_t left = 16;
  for (const nic::Packet* packet = transfer.send_head; packet != nullptr; packet = packet->link) {
    if (sent(packet).has(kEverRetransmitted) || left-- == 0) return false;
  }
  return true;
}

void release_flight(Stack& stack, Tcb& row, const Transfer& transfer) {
  for (nic::Packet* packet = transfer.send_head; packet != nullptr;) {
    nic::Packet* const next = packet->link;
    // RFC 6298 §3: the latest that was sent and arrived tells the round trip best.
    if (next == nullptr) update_rtt(row, std::max(stack.now_us32() - sent(packet).sent_us, 1u));
    release_sent(stack.packets, stack.records, packet);
    --stack.gauges.packets_sending;
    packet = next;
  }
}

}  // namespace

bool end_flight(Stack& stack, Tcb& row, const Arrival& arrival) {
  const Transfer& transfer = stack.transfers[row.transfer];
  if (!as_sent(transfer)) return false;
  take_window(row, arrival);
  release_flight(stack, row, transfer);
  row.snd_una = arrival.ack;
  stack.timers.remove(row.transfer);
  stack.transfers.release(row.transfer);
  row.transfer = kNone;
  return true;
}

void acknowledge_short_flight(Stack& stack, Tcb& row, const Arrival& arrival) {
  take_window(row, arrival);
  // All of it was sent at once.
  update_rtt(row, std::max(stack.now_us32() - sent(stack.records.at(row.transfer & ~kShortFlight)).sent_us, 1u));
  row.snd_una = arrival.ack;
  end_short_flight(stack, row);
}

bool clear_flight(Stack& stack, Tcb& row, const Arrival& arrival) {
  Transfer& transfer = stack.transfers[row.transfer];
  if (!as_sent(transfer)) return false;
  take_window(row, arrival);
  release_flight(stack, row, transfer);
  row.snd_una = arrival.ack;
  transfer.send_head = transfer.send_tail = nullptr;
  transfer.lost_hint = transfer.sacked_last = transfer.rack_next = nullptr;
  transfer.sacked_end = arrival.ack;
  transfer.dupacks = 0;
  transfer.stalled_probes = 0;
  transfer.unanswered_probes = 0;
  stack.timers.cancel(row.transfer);
  return true;
}

bool take_ack(Stack& stack, Tcb& row, const Arrival& arrival) {
  // RFC 5961 §5.2: neither of what was never sent, nor older than a window.
  if (row.snd_nxt < arrival.ack || arrival.ack < row.snd_una - std::max(row.snd_wnd_max, 65'535u)) {
    ++stack.counters.dropped_bad_ack;
    challenge(stack, row);
    return false;
  }
  if (arrival.ack < row.snd_una && arrival.options.sack_count == 0) return true;
  const bool window_changed = arrival.ack >= row.snd_una && take_window(row, arrival);
  if (row.has(kInOrphanList)) {
    if (row.in_flight() != 0 && arrival.ack == row.snd_nxt) last_fin_acknowledged(stack, row);
    return !row.has(kDying);
  }
  Transfer* const transfer = stack.transfer_of(row);
  if (transfer == nullptr) return true;
  transfer->unanswered_probes = 0;
  // The pauses between probes grow as long as the window is closed; what is then sent has its own time-out.
  if (transfer->timer == TimerKind::kPersist && row.snd_wnd != 0) transfer->backoff = 0;
  if (row.in_flight() != 0) {
    take_with_data_out(stack, row, *transfer, arrival, window_changed);
  } else if (window_changed) {
    push_out(stack, row);
  }
  const bool opened = row.snd_wnd != 0 && transfer->timer == TimerKind::kPersist && transfer->send_next == nullptr;
  if (opened) arm_send_timer(stack, row, *transfer, true);
  offer_room(stack, row);
  const bool fin_done = row.has(kFinQueued) && !row.has(kFinWaiting) && row.snd_una == transfer->write_end;
  if (fin_done) fin_acknowledged(stack, row);
  return !row.has(kDying);
}

}  // namespace sluice::tcp
