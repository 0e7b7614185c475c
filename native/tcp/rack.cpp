#include "tcp/rack.hpp"

#include <algorithm>

#include "tcp/rtt.hpp"
#include "tcp/scoreboard.hpp"
#include "tcp/send.hpp"

namespace sluice::tcp {

namespace {

constexpr uint32_t kDupThresh = 3;
constexpr uint32_t kPersistRecoveries = 16;

bool sent_after(uint32_t a_us, Seq a_end, uint32_t b_us, Seq b_end) noexcept {
  return clock_before(b_us, a_us) || (a_us == b_us && b_end < a_end);
}

// §6.2, step 4.
uint32_t reordering_window_us(const Tcb& row, const Transfer& transfer) noexcept {
  const bool recovering = transfer.phase == Phase::kRecovery || transfer.phase == Phase::kLoss;
  if (!transfer.reordering_seen && (recovering || transfer.sacked_packets >= kDupThresh)) return 0;
  if (transfer.min_rtt_us == UINT32_MAX) return 0;
  const uint64_t window_us = static_cast<uint64_t>(transfer.rack_window_mult) * (transfer.min_rtt_us / 4);
  return static_cast<uint32_t>(std::min<uint64_t>(window_us, srtt_us(row)));
}

// A D-SACK says that something was sent again without need: the window widens by a quarter of a round trip, once in a round, and
// stays so for sixteen recoveries.
void widen_window(Tcb& row, Transfer& transfer, bool duplicate_reported) noexcept {
  if (transfer.rack_dsack && transfer.rack_dsack_round <= row.snd_una) transfer.rack_dsack = false;
  if (!duplicate_reported || transfer.rack_dsack) return;
  transfer.rack_dsack = true;
  transfer.rack_dsack_round = row.snd_nxt;
  if (transfer.rack_window_mult < UINT16_MAX) ++transfer.rack_window_mult;
  transfer.rack_window_persist = kPersistRecoveries;
}

}  // namespace

void rack_note_arrival(Stack& stack, Tcb& row, Transfer& transfer, const SentPacket& info, const Arrival& arrival) noexcept {
  const uint32_t rtt_us = std::max(stack.now_us32() - info.sent_us, 1u);
  if (info.has(kEverRetransmitted)) {
    // Step 2: the acknowledgement may be of the first transmission.
    if (row.has(kTimestamps) && arrival.options.has_timestamp) {
      const uint32_t sent_ms_ago = rtt_us / 1000;
      const uint32_t sent_ts = stack.now_ms() - sent_ms_ago + row.ts_offset;
      if (clock_before(arrival.options.timestamp_echo, sent_ts - 1)) return;
    }
    if (transfer.min_rtt_us != UINT32_MAX && rtt_us < transfer.min_rtt_us) return;
  } else {
    transfer.min_rtt_us = std::min(transfer.min_rtt_us, rtt_us);
    // Step 3: something below the highest that has arrived came only now.
    if (info.end() < transfer.sacked_end) transfer.reordering_seen = true;
  }
  if (transfer.rack_valid && !sent_after(info.sent_us, info.end(), transfer.rack_sent_us, transfer.rack_end)) return;
  transfer.rack_valid = true;
  transfer.rack_sent_us = info.sent_us;
  transfer.rack_end = info.end();
  transfer.rack_rtt_us = rtt_us;
}

namespace {

// §6.2, step 5. Marks the packet where it is due; false where neither it nor what was sent after it is. `wait_us`: until then, 0 for never.
bool judge(Stack& stack, Transfer& transfer, nic::Packet* packet, uint32_t window_us, uint32_t& wait_us) noexcept {
  const SentPacket& info = sent(packet);
  if (!sent_after(transfer.rack_sent_us, transfer.rack_end, info.sent_us, info.end())) return false;
  const uint32_t due_us = transfer.rack_rtt_us + window_us;
  const uint32_t elapsed_us = stack.now_us32() - info.sent_us;
  if (elapsed_us < due_us) {
    wait_us = wait_us == 0 ? due_us - elapsed_us : std::min(wait_us, due_us - elapsed_us);
    return false;
  }
  mark_lost(stack, transfer, packet);
  ++stack.counters.losses_by_rack;
  return true;
}

}  // namespace

uint32_t rack_detect_losses(Stack& stack, Tcb& row, Transfer& transfer, bool duplicate_reported) noexcept {
  widen_window(row, transfer, duplicate_reported);
  if (!transfer.rack_valid) return 0;
  const uint32_t window_us = reordering_window_us(row, transfer);
  uint32_t wait_us = 0;
  // In the order of sending, so that each acknowledgement looks at no more than what it finds lost (and one more): what was sent again…
  for (;;) {
    nic::Packet* const packet = stack.resent.first(transfer);
    if (packet == nullptr || !judge(stack, transfer, packet, window_us, wait_us)) break;
  }
  // …and what was sent once.
  constexpr uint32_t kOver = kSacked | kLost | kEverRetransmitted;
  nic::Packet* packet = transfer.rack_next != nullptr ? transfer.rack_next : transfer.send_head;
  for (; packet != nullptr && sent(packet).has(kTransmitted); packet = packet->link) {
    transfer.rack_next = packet;
    if ((sent(packet).flags & kOver) == 0 && !judge(stack, transfer, packet, window_us, wait_us)) break;
  }
  return wait_us;
}

uint32_t tail_probe_timeout_us(const Stack& stack, const Tcb& row, const Transfer& transfer) noexcept {
  const bool open = transfer.phase == Phase::kOpen || transfer.phase == Phase::kReduced;
  if (!row.has(kSackOk) || !open || transfer.sacked_packets != 0 || transfer.tail_probe_out || transfer.backoff != 0) return 0;
  if (row.srtt_us8 == 0) return 0;
  uint32_t timeout_us = 2 * srtt_us(row) + 2000;
  // The peer may wait with the acknowledgement of a single segment.
  if (row.in_flight() <= row.mss) timeout_us += stack.options.rto_min_ms * 1000;
  return timeout_us;
}

bool send_tail_probe(Stack& stack, Tcb& row, Transfer& transfer) {
  nic::Packet* packet = transfer.send_next;
  const Seq edge = row.snd_una + row.snd_wnd;
  const bool fresh = packet != nullptr && sent(packet).end() <= edge;
  if (!fresh) {
    packet = nullptr;
    for (nic::Packet* at = transfer.send_head; at != nullptr && sent(at).has(kTransmitted); at = at->link) packet = at;
    if (packet == nullptr) return false;
  }
  // Cut before the path was found to be narrower: of something new the first segment, of something old the last.
  const uint32_t bytes = sent(packet).bytes;
  if (bytes > row.mss) {
    if (!split_packet(stack, transfer, packet, fresh ? row.mss : bytes - row.mss)) return false;
    if (!fresh) packet = packet->link;
  }
  if (!send_queued(stack, row, transfer, packet)) return false;
  if (fresh) transfer.send_next = packet->link;
  ++stack.counters.tail_loss_probes;
  transfer.tail_probe_out = true;
  transfer.tail_probe_is_retransmission = !fresh;
  transfer.tail_probe_end = row.snd_nxt;
  return true;
}

namespace {

// Nothing was lost: the probe came second (RFC 8985 §7.4.2), or what is acknowledged came before it was sent (RFC 4015 §3).
bool needless(const Tcb& row, const Transfer& transfer, const Arrival& arrival, const Delivery& delivery) noexcept {
  if (delivery.duplicate_reported) return true;
  const bool timed = row.has(kTimestamps) && arrival.options.has_timestamp && transfer.undo_ts != 0;
  return timed && clock_before(arrival.options.timestamp_echo, transfer.undo_ts - 1);
}

}  // namespace

bool tail_probe_answered(Stack& stack, Tcb& row, Transfer& transfer, const Arrival& arrival, const Delivery& delivery) noexcept {
  if (!transfer.tail_probe_out || arrival.ack < transfer.tail_probe_end) return false;
  if (transfer.tail_probe_is_retransmission && needless(row, transfer, arrival, delivery)) stack.late_acks.note(stack.now_ms());
  // A plain duplicate acknowledges the probe and nothing else: the original and the probe have both arrived.
  const bool plain_duplicate = !delivery.advanced && arrival.ack == row.snd_una && arrival.payload() == 0 && !delivery.sacked;
  if (!transfer.tail_probe_is_retransmission || delivery.duplicate_reported) {
    transfer.tail_probe_out = false;
    return false;
  }
  if (transfer.tail_probe_end < arrival.ack) {
    transfer.tail_probe_out = false;
    return true;
  }
  if (plain_duplicate) transfer.tail_probe_out = false;
  return false;
}

}  // namespace sluice::tcp
