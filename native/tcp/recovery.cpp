#include "tcp/recovery.hpp"

#include <algorithm>

#include "tcp/congestion.hpp"
#include "tcp/rack.hpp"
#include "tcp/send.hpp"
#include "tcp/sent_packet.hpp"

namespace sluice::tcp {

namespace {

constexpr uint32_t kDupThresh = 3;

void remember_for_undo(const Tcb& row, Transfer& transfer) noexcept {
  transfer.prior_cwnd = row.cwnd;
  transfer.prior_ssthresh = row.ssthresh;
  transfer.undo_marker = row.snd_una;
  transfer.undo_count = 0;
  transfer.undo_ts = 0;
  transfer.undo_possible = true;
  if (transfer.rack_window_persist != 0 && --transfer.rack_window_persist == 0) transfer.rack_window_mult = 1;
}

void start_prr(Tcb& row, Transfer& transfer) noexcept {
  transfer.prr_delivered = 0;
  transfer.prr_out = 0;
  transfer.prr_flight = std::max(pipe(row, transfer), static_cast<uint32_t>(row.mss));
}

void reduce(Stack& stack, Tcb& row, Transfer& transfer, Phase phase) {
  remember_for_undo(row, transfer);
  row.ssthresh = reduced_window(stack, row, transfer);
  transfer.phase = phase;
  transfer.recover = row.snd_nxt;
  start_prr(row, transfer);
  if (row.has(kEcnOk)) row.set(kSendCwr);
}

void enter_recovery(Stack& stack, Tcb& row, Transfer& transfer) {
  ++stack.counters.fast_recoveries;
  if (transfer.phase == Phase::kReduced) {
    // The window has been reduced for this round trip already.
    transfer.phase = Phase::kRecovery;
    transfer.recover = row.snd_nxt;
    transfer.undo_possible = false;
  } else {
    reduce(stack, row, transfer, Phase::kRecovery);
  }
  transfer.tail_probe_out = false;
}

// RFC 6937 §3.1, with the slow-start reduction bound.
void prr(Tcb& row, Transfer& transfer, const Delivery& delivery, bool first) noexcept {
  transfer.prr_delivered += delivery.delivered;
  const uint32_t in_network = pipe(row, transfer);
  uint64_t send;
  if (in_network > row.ssthresh) {
    const uint64_t share = (static_cast<uint64_t>(transfer.prr_delivered) * row.ssthresh + transfer.prr_flight - 1) / transfer.prr_flight;
    send = share > transfer.prr_out ? share - transfer.prr_out : 0;
  } else {
    const uint32_t ahead = transfer.prr_delivered > transfer.prr_out ? transfer.prr_delivered - transfer.prr_out : 0;
    send = std::min<uint64_t>(row.ssthresh - in_network, std::max(ahead, delivery.delivered) + row.mss);
  }
  // The first retransmission goes out at once (RFC 6675 §5, step 4.3).
  if (first) send = std::max<uint64_t>(send, row.mss);
  row.cwnd = in_network + static_cast<uint32_t>(send);
}

void leave_recovery(Transfer& transfer) noexcept {
  transfer.phase = Phase::kOpen;
  transfer.dupacks = 0;
  transfer.reno_bytes = 0;
  transfer.frto = 0;
}

void undo(Stack& stack, Tcb& row, Transfer& transfer, uint64_t& counter) noexcept {
  ++counter;
  unmark_lost(stack, transfer);
  row.cwnd = std::max(row.cwnd, transfer.prior_cwnd);
  row.ssthresh = std::max(row.ssthresh, transfer.prior_ssthresh);
  row.w_max = std::max(row.w_max, row.cwnd);
  transfer.undo_possible = false;
  transfer.backoff = 0;
  leave_recovery(transfer);
}

void undo_timeout(Stack& stack, Tcb& row, Transfer& transfer) noexcept {
  stack.late_acks.note(stack.now_ms());
  undo(stack, row, transfer, stack.counters.spurious_timeouts);
}

// RFC 4015 §3: the acknowledgement of something that was sent again echoes a time before it was.
bool eifel(const Tcb& row, const Transfer& transfer, const Arrival& arrival, const Delivery& delivery) noexcept {
  if (!row.has(kTimestamps) || !arrival.options.has_timestamp || !delivery.lost_arrived || transfer.undo_ts == 0) return false;
  return clock_before(arrival.options.timestamp_echo, transfer.undo_ts - 1);
}

// RFC 3708 §3: every retransmission was reported as a duplicate.
bool all_duplicates(Transfer& transfer, const Delivery& delivery) noexcept {
  if (!delivery.duplicate_reported || transfer.undo_count <= 0) return false;
  return --transfer.undo_count == 0;
}

bool try_undo(Stack& stack, Tcb& row, Transfer& transfer, const Arrival& arrival, const Delivery& delivery) {
  if (!transfer.undo_possible) return false;
  const bool spurious = eifel(row, transfer, arrival, delivery) || all_duplicates(transfer, delivery);
  if (!spurious) return false;
  if (transfer.phase == Phase::kLoss) {
    undo_timeout(stack, row, transfer);
  } else {
    undo(stack, row, transfer, stack.counters.spurious_recoveries);
  }
  return true;
}

// RFC 5681 §3.2, RFC 3042, RFC 6582: without SACK, each duplicate acknowledgement stands for a segment that has left the network.
void count_duplicates(Stack& stack, Tcb& row, Transfer& transfer, const Delivery& delivery, bool duplicate) {
  if (row.has(kSackOk)) return;
  if (duplicate) {
    if (transfer.dupacks != UINT16_MAX) ++transfer.dupacks;
    transfer.reno_bytes = std::min(transfer.reno_bytes + row.mss, row.in_flight() > row.mss ? row.in_flight() - row.mss : 0);
    if (transfer.dupacks == kDupThresh && transfer.phase != Phase::kLoss && transfer.phase != Phase::kRecovery) {
      ++stack.counters.losses_by_dupacks;
      mark_lost(stack, transfer, transfer.send_head);
    }
    return;
  }
  if (!delivery.advanced) return;
  transfer.dupacks = 0;
  if (transfer.phase != Phase::kRecovery) {
    transfer.reno_bytes = 0;
    return;
  }
  // RFC 6582 §3.2, step 3: a partial acknowledgement says that the next one is lost too.
  const uint32_t beyond = delivery.acked > row.mss ? delivery.acked - row.mss : 0;
  transfer.reno_bytes = transfer.reno_bytes > beyond ? transfer.reno_bytes - beyond : 0;
  if (row.snd_una < transfer.recover && transfer.send_head != nullptr && sent(transfer.send_head).has(kTransmitted)) {
    mark_lost(stack, transfer, transfer.send_head);
  }
}

// RFC 5682 §2.1, with SACK §3.1. True when the time-out was spurious.
bool frto(Stack& stack, Tcb& row, Transfer& transfer, const Delivery& delivery, bool duplicate) {
  if (transfer.frto == 0) return false;
  if (delivery.original_arrived && transfer.frto == 2) {
    undo_timeout(stack, row, transfer);
    return true;
  }
  if (duplicate || !delivery.advanced || row.snd_una >= transfer.recover) {
    transfer.frto = 0;
    return false;
  }
  // Step 2b: something new was acknowledged; whether by the retransmission or by the original the next acknowledgement will tell,
  // if meanwhile only new data is sent.
  transfer.frto = transfer.frto == 1 && transfer.send_next != nullptr ? 2 : 0;
  return false;
}

void in_loss(Stack& stack, Tcb& row, Transfer& transfer, const Delivery& delivery, bool duplicate) {
  if (frto(stack, row, transfer, delivery, duplicate)) return;
  if (row.snd_una >= transfer.recover) {
    leave_recovery(transfer);
    return;
  }
  if (!delivery.advanced) return;
  row.set(kCwndLimited);
  grow_congestion_window(stack, row, transfer, delivery.acked);
}

}  // namespace

void react_to_ack(Stack& stack, Tcb& row, Transfer& transfer, const Arrival& arrival, const Delivery& delivery, bool duplicate) {
  count_duplicates(stack, row, transfer, delivery, duplicate);
  const bool repaired = tail_probe_answered(stack, row, transfer, arrival, delivery);
  if (repaired && transfer.phase == Phase::kOpen) react_to_congestion(stack, row, transfer);
  if (transfer.phase != Phase::kOpen && try_undo(stack, row, transfer, arrival, delivery)) return;
  if (row.has(kEcnOk) && arrival.has(wire::kEce) && transfer.phase == Phase::kOpen && row.in_flight() + delivery.acked != 0) {
    ++stack.counters.ecn_reductions;
    react_to_congestion(stack, row, transfer);
  }
  const bool lost = transfer.lost_bytes > transfer.again_bytes;
  // Without SACK a partial acknowledgement sends the next hole at once (RFC 6582 §3.2, step 3).
  bool first = lost && !row.has(kSackOk) && delivery.advanced;
  if (lost && (transfer.phase == Phase::kOpen || transfer.phase == Phase::kReduced)) {
    enter_recovery(stack, row, transfer);
    first = true;
  }
  switch (transfer.phase) {
    case Phase::kOpen:
      if (delivery.advanced) grow_congestion_window(stack, row, transfer, delivery.acked);
      return;
    case Phase::kLoss:
      return in_loss(stack, row, transfer, delivery, duplicate);
    case Phase::kReduced:
    case Phase::kRecovery:
      if (row.snd_una >= transfer.recover) {
        row.cwnd = row.ssthresh;
        leave_recovery(transfer);
        return;
      }
      Delivery counted = delivery;
      // Without SACK each duplicate stands for one segment.
      if (!row.has(kSackOk) && duplicate) counted.delivered += row.mss;
      return prr(row, transfer, counted, first);
  }
}

void react_to_losses(Stack& stack, Tcb& row, Transfer& transfer) {
  if (transfer.lost_bytes <= transfer.again_bytes) return;
  if (transfer.phase == Phase::kLoss) return;
  const bool first = transfer.phase != Phase::kRecovery;
  if (first) enter_recovery(stack, row, transfer);
  prr(row, transfer, Delivery{}, true);
}

void react_to_timeout(Stack& stack, Tcb& row, Transfer& transfer) {
  ++stack.counters.retransmit_timeouts;
  const bool fresh = transfer.phase != Phase::kLoss || transfer.recover <= row.snd_una;
  if (fresh || transfer.backoff == 0) {
    // RFC 5681 §3.1: once for each loss of a segment, however often it is sent again.
    if (transfer.phase == Phase::kOpen) {
      reduce(stack, row, transfer, Phase::kLoss);
    } else {
      transfer.undo_possible = transfer.phase == Phase::kLoss && transfer.undo_possible;
    }
    transfer.phase = Phase::kLoss;
  }
  transfer.recover = row.snd_nxt;
  // RFC 5682 §2.1, step 1: not while an earlier time-out is being repaired.
  transfer.frto = fresh && transfer.backoff == 0 ? 1 : 0;
  transfer.hystart = HyStart{};
  mark_all_lost(stack, transfer);
  row.cwnd = row.mss;
  transfer.tail_probe_out = false;
}

void react_to_congestion(Stack& stack, Tcb& row, Transfer& transfer) {
  if (transfer.phase != Phase::kOpen) return;
  reduce(stack, row, transfer, Phase::kReduced);
  transfer.undo_possible = false;
}

}  // namespace sluice::tcp
