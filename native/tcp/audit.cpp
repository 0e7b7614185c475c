#include "tcp/audit.hpp"

#include "tcp/sent_packet.hpp"

namespace sluice::tcp {

namespace {

struct Totals {
  uint32_t rows = 0;
  uint32_t orphans = 0;
  uint32_t listed = 0;
  uint32_t transfers = 0;
  uint32_t sending = 0;
  uint32_t resent = 0;
  uint32_t records = 0;
  uint32_t short_flights = 0;
  uint32_t received = 0;
};

void audit_send_queue(const Tcb& row, const Transfer& transfer, Totals& totals) {
  uint32_t sacked = 0;
  uint32_t sacked_packets = 0;
  uint32_t lost = 0;
  uint32_t again = 0;
  bool next_seen = false;
  const bool opening = row.state == State::kSynSent || row.state == State::kSynReceived;
  Seq at = opening ? row.snd_nxt : row.snd_una;
  const nic::Packet* last = nullptr;
  for (const nic::Packet* packet = transfer.send_head; packet != nullptr; packet = packet->link) {
    const SentPacket& info = sent(packet);
    SLUICE_ASSERT(info.seq == at && info.length() != 0);
    SLUICE_ASSERT(packet->references > 0);
    if (info.has(kShared)) {
      SLUICE_ASSERT(packet->next != nullptr && packet->next->references > 0 && packet->next->next == nullptr);
      SLUICE_ASSERT(info.offset + info.bytes <= packet->next->length);
    }
    next_seen = next_seen || packet == transfer.send_next;
    SLUICE_ASSERT(info.has(kTransmitted) != next_seen);
    SLUICE_ASSERT(!info.has(kSacked) || !info.has(kLost));
    SLUICE_ASSERT(!info.has(kRetransmitInFlight) || info.has(kLost));
    if (info.has(kSacked)) {
      sacked += info.length();
      ++sacked_packets;
    }
    if (info.has(kLost)) lost += info.length();
    if (info.has(kRetransmitInFlight)) again += info.length();
    const bool sent_again = info.has(kEverRetransmitted) && !info.has(kSacked) && (!info.has(kLost) || info.has(kRetransmitInFlight));
    SLUICE_ASSERT(sent_again == (info.resent != 0));
    totals.resent += sent_again;
    totals.records += is_record(packet);
    if (is_record(packet)) SLUICE_ASSERT((info.has(kShared) || packet->buffer != nullptr) && info.has(kTransmitted));
    at = info.end();
    last = packet;
    ++totals.sending;
    if (!next_seen) SLUICE_ASSERT(at <= row.snd_nxt);
  }
  SLUICE_ASSERT(transfer.send_tail == last);
  SLUICE_ASSERT(next_seen == (transfer.send_next != nullptr));
  SLUICE_ASSERT(transfer.sacked_bytes == sacked && transfer.sacked_packets == sacked_packets);
  SLUICE_ASSERT(transfer.lost_bytes == lost && transfer.again_bytes == again);
  SLUICE_ASSERT(at == transfer.write_end);
  if (transfer.send_next == nullptr && transfer.send_head != nullptr) SLUICE_ASSERT(at == row.snd_nxt);
}

void audit_held(const Tcb& row, const Transfer& transfer, Totals& totals) {
  uint32_t unread = 0;
  uint32_t out_of_order = 0;
  uint32_t packets = 0;
  const nic::Packet* previous = nullptr;
  for (const nic::Packet* frame = transfer.held_head; frame != nullptr; frame = frame->link) {
    const HeldPacket& info = held(frame);
    uint32_t bytes = 0;
    for (const nic::Packet* piece = frame; piece != nullptr; piece = piece->next) bytes += piece->length;
    SLUICE_ASSERT(bytes == info.bytes && bytes != 0);
    if (previous != nullptr) SLUICE_ASSERT(held(previous).end() <= info.seq);
    if (info.end() <= row.rcv_nxt) {
      unread += info.bytes;
    } else {
      SLUICE_ASSERT(row.rcv_nxt < info.seq);
      SLUICE_ASSERT(info.end() <= row.rcv_edge);
      out_of_order += info.bytes;
      ++packets;
    }
    previous = frame;
    ++totals.received;
  }
  SLUICE_ASSERT(transfer.held_tail == previous);
  SLUICE_ASSERT(transfer.unread_bytes == unread && transfer.held_bytes == out_of_order && transfer.held_packets == packets);
  SLUICE_ASSERT((transfer.unread_tail == nullptr) == (unread == 0));
}

void audit_orphan(const Stack& stack, const Tcb& row, Totals& totals) {
  SLUICE_ASSERT(row.has(kOrphan) && row.has(kFinQueued) && row.in_flight() <= 1);
  const bool awaits = row.orphan_list == OrphanLists::kAwaitsFin;
  SLUICE_ASSERT(awaits == (row.state == State::kFinWait2) && awaits == (row.in_flight() == 0));
  const Transfer* const transfer = stack.transfer_of(row);
  if (transfer == nullptr) return;
  // It came out of order before the application left, and ends with the row.
  ++totals.transfers;
  SLUICE_ASSERT(awaits && transfer->send_head == nullptr);
  audit_held(row, *transfer, totals);
}

void audit_short_flight(const Stack& stack, const Tcb& row, Totals& totals) {
  ++totals.short_flights;
  Seq at = row.snd_una;
  for (const nic::Packet* record = stack.records.at(row.transfer & ~kShortFlight); record != nullptr; record = record->link) {
    const SentPacket& info = sent(record);
    SLUICE_ASSERT(is_record(record) && SentRecords::in_use(record) && info.seq == at && info.has(kTransmitted));
    if (info.has(kShared)) {
      SLUICE_ASSERT(record->next != nullptr && record->next->references > 0 && info.bytes == record->next->length);
    } else {
      SLUICE_ASSERT(record->next == nullptr && record->buffer != nullptr && info.bytes <= SentRecords::kOwnMost && info.bytes != 0);
    }
    at = info.end();
    ++totals.sending;
    ++totals.records;
  }
  SLUICE_ASSERT(at == row.snd_nxt && at != row.snd_una);
}

void audit_row(const Stack& stack, const Tcb& row, uint32_t index, Totals& totals) {
  ++totals.rows;
  if (row.has(kOrphan)) ++totals.orphans;
  SLUICE_ASSERT(row.state != State::kClosed);
  SLUICE_ASSERT(row.snd_una <= row.snd_nxt);
  SLUICE_ASSERT(row.rcv_nxt <= row.rcv_edge);
  if (row.stream != kNoStream) SLUICE_ASSERT(stack.stream_rows[row.stream] == index + 1);
  SLUICE_ASSERT((row.stream == kNoStream) == row.has(kOrphan));
  if (row.has(kInOrphanList)) {
    ++totals.listed;
    return audit_orphan(stack, row, totals);
  }
  if (row.state != State::kSynSent) {
    SLUICE_ASSERT(row.cwnd != 0 && row.mss != 0);
  }
  if (row.in_short_flight()) return audit_short_flight(stack, row, totals);
  const Transfer* const transfer = stack.transfer_of(row);
  if (transfer == nullptr) {
    SLUICE_ASSERT(row.snd_una == row.snd_nxt);
    return;
  }
  ++totals.transfers;
  SLUICE_ASSERT(transfer->tcb == index);
  audit_send_queue(row, *transfer, totals);
  audit_held(row, *transfer, totals);
  // What is in flight has a timer, or it would wait for ever.
  if (row.in_flight() != 0) SLUICE_ASSERT(transfer->timer != TimerKind::kNone);
  if (transfer->timer != TimerKind::kNone) SLUICE_ASSERT(transfer->bucket != UINT16_MAX);
}

}  // namespace

void audit_stack(const Stack& stack) {
  Totals totals;
  for (uint32_t i = 0; i < stack.rows.high_water(); ++i) {
    const Tcb& row = stack.rows[i];
    if ((row.flags & (kUsed | kDying)) == kUsed) audit_row(stack, row, i, totals);
  }
  SLUICE_ASSERT(totals.rows == stack.gauges.connections);
  SLUICE_ASSERT(totals.orphans == stack.gauges.orphans);
  SLUICE_ASSERT(totals.listed == stack.orphans.used());
  SLUICE_ASSERT(totals.transfers == stack.transfers.used());
  SLUICE_ASSERT(totals.sending == stack.gauges.packets_sending);
  SLUICE_ASSERT(totals.resent == stack.resent.used());
  SLUICE_ASSERT(totals.records == stack.records.used());
  SLUICE_ASSERT(totals.short_flights == stack.short_flights);
  SLUICE_ASSERT(totals.received == stack.gauges.packets_received);
  SLUICE_ASSERT(stack.flows.used() == totals.rows + stack.half_open.used() + stack.time_wait.used());
}

}  // namespace sluice::tcp
