#include "tcp/scoreboard.hpp"

#include <algorithm>

#include "tcp/rack.hpp"
#include "tcp/send.hpp"
#include "tcp/sent_packet.hpp"

namespace sluice::tcp {

namespace {

void clear_lost(Transfer& transfer, SentPacket& info) noexcept {
  if (info.has(kLost)) transfer.lost_bytes -= info.length();
  if (info.has(kRetransmitInFlight)) transfer.again_bytes -= info.length();
  info.clear(kLost);
  info.clear(kRetransmitInFlight);
}

void note_arrival(Stack& stack, Tcb& row, Transfer& transfer, const SentPacket& info, const Arrival& arrival, Delivery& delivery) noexcept {
  delivery.delivered += info.length();
  if (info.has(kLost)) delivery.lost_arrived = true;
  if (!info.has(kEverRetransmitted)) {
    delivery.original_arrived = true;
    // RFC 6298 §3 (Karn): the latest that was sent and arrived tells the round trip best.
    delivery.rtt_us = std::max(stack.now_us32() - info.sent_us, 1u);
  }
  rack_note_arrival(stack, row, transfer, info, arrival);
}

bool sack_packet(Stack& stack, Tcb& row, Transfer& transfer, nic::Packet* packet, const Arrival& arrival, Delivery& delivery) noexcept {
  SentPacket& info = sent(packet);
  if (info.has(kSacked)) return false;
  note_arrival(stack, row, transfer, info, arrival, delivery);
  clear_lost(transfer, info);
  stack.resent.remove(transfer, packet);
  info.set(kSacked);
  transfer.sacked_bytes += info.length();
  ++transfer.sacked_packets;
  if (transfer.sacked_last == nullptr || sent(transfer.sacked_last).seq < info.seq) transfer.sacked_last = packet;
  transfer.sacked_end = later(transfer.sacked_end, info.end());
  delivery.sacked = true;
  return true;
}

// False where a part of the block could not be marked.
bool apply_block(Stack& stack, Tcb& row, Transfer& transfer, Seq begin, Seq end, const Arrival& arrival, Delivery& delivery) {
  // Blocks name new arrivals at the upper end nearly always: there is no need to walk there from the head.
  nic::Packet* packet = transfer.send_head;
  if (transfer.sacked_last != nullptr && sent(transfer.sacked_last).seq <= begin) packet = transfer.sacked_last;
  bool whole = true;
  for (; packet != nullptr && sent(packet).has(kTransmitted) && sent(packet).seq < end; packet = packet->link) {
    SentPacket& info = sent(packet);
    if (info.end() <= begin || info.has(kSacked)) continue;
    // A block that begins or ends within a packet names a part of it: what our peer cut, or what was sent as two and is one now.
    if (info.seq < begin) {
      const bool cut = begin - info.seq < info.bytes && split_packet(stack, transfer, packet, begin - info.seq);
      whole = whole && cut;
      continue;
    }
    const bool cut = info.end() <= end || (end - info.seq < info.bytes && split_packet(stack, transfer, packet, end - info.seq));
    whole = whole && cut;
    if (cut) sack_packet(stack, row, transfer, packet, arrival, delivery);
  }
  return whole;
}

// Takes off what earlier blocks named: a peer repeats its blocks with every acknowledgement, and to find all of their packets marked
// each time takes long in a large window.
void cut_known(const Transfer& transfer, Seq& begin, Seq& end) noexcept {
  for (uint8_t i = 0; i < transfer.named_count; ++i) {
    const Seq from{transfer.named[i].begin};
    const Seq to{transfer.named[i].end};
    if (from <= begin && begin < to) begin = earlier(to, end);
    if (from < end && end <= to) end = later(from, begin);
  }
}

// RFC 2883 §4: the first block lies below the acknowledgement, or within the second block.
bool duplicate_block(const Arrival& arrival) noexcept {
  const wire::TcpOptions& options = arrival.options;
  const wire::SackBlock& first = options.sacks[0];
  if (Seq{first.begin} < arrival.ack) return true;
  if (options.sack_count < 2) return false;
  const wire::SackBlock& second = options.sacks[1];
  return Seq{second.begin} <= Seq{first.begin} && Seq{first.end} <= Seq{second.end};
}

}  // namespace

void apply_sacks(Stack& stack, Tcb& row, Transfer& transfer, const Arrival& arrival, Delivery& delivery) {
  const wire::TcpOptions& options = arrival.options;
  if (options.sack_count == 0 || !row.has(kSackOk)) return;
  ++stack.counters.sacks_in;
  uint32_t first = 0;
  if (duplicate_block(arrival)) {
    ++stack.counters.dsacks_in;
    delivery.duplicate_reported = true;
    first = 1;
  }
  if (transfer.sacked_packets == 0) transfer.named_count = 0;
  wire::SackBlock named[wire::TcpOptions::kMaxSacks];
  uint8_t count = 0;
  for (uint32_t i = first; i < options.sack_count; ++i) {
    Seq begin{options.sacks[i].begin};
    Seq end{options.sacks[i].end};
    // Nothing of it may lie outside of what is in flight: a peer that lies must not steer what is sent again.
    if (end <= begin || begin < row.snd_una || begin < arrival.ack || row.snd_nxt < end) {
      ++stack.counters.sacks_invalid;
      continue;
    }
    cut_known(transfer, begin, end);
    if (begin == end || apply_block(stack, row, transfer, begin, end, arrival, delivery)) named[count++] = options.sacks[i];
  }
  std::copy_n(named, count, transfer.named);
  transfer.named_count = count;
}

void take_acknowledged(Stack& stack, Tcb& row, Transfer& transfer, const Arrival& arrival, Delivery& delivery) {
  while (transfer.send_head != nullptr) {
    nic::Packet* const packet = transfer.send_head;
    SentPacket& info = sent(packet);
    if (!info.has(kTransmitted) || arrival.ack <= info.seq) break;
    if (arrival.ack < info.end()) {
      // A part of a packet: its rest is a packet of its own from here on, with the same history.
      const uint32_t part = arrival.ack - info.seq;
      if (info.has(kLost)) transfer.lost_bytes -= part;
      if (info.has(kRetransmitInFlight)) transfer.again_bytes -= part;
      if (info.has(kSacked)) transfer.sacked_bytes -= part;
      if (!info.has(kSacked)) delivery.delivered += part;
      info.seq += part;
      info.offset = static_cast<uint16_t>(info.offset + part);
      info.bytes = static_cast<uint16_t>(info.bytes - part);
      break;
    }
    if (info.has(kSacked)) {
      transfer.sacked_bytes -= info.length();
      --transfer.sacked_packets;
    } else {
      note_arrival(stack, row, transfer, info, arrival, delivery);
      clear_lost(transfer, info);
      stack.resent.remove(transfer, packet);
    }
    if (transfer.rack_next == packet) transfer.rack_next = nullptr;
    if (transfer.lost_hint == packet) transfer.lost_hint = nullptr;
    if (transfer.sacked_last == packet) transfer.sacked_last = nullptr;
    transfer.send_head = packet->link;
    if (transfer.send_head == nullptr) transfer.send_tail = nullptr;
    release_sent(stack.packets, stack.records, packet);
    --stack.gauges.packets_sending;
  }
  delivery.acked = arrival.ack - row.snd_una;
  delivery.advanced = true;
  row.snd_una = arrival.ack;
  transfer.sacked_end = later(transfer.sacked_end, row.snd_una);
}

void mark_lost(Stack& stack, Transfer& transfer, nic::Packet* packet) noexcept {
  SentPacket& info = sent(packet);
  SLUICE_DEBUG_ASSERT(!info.has(kSacked));
  if (info.has(kRetransmitInFlight)) {
    info.clear(kRetransmitInFlight);
    transfer.again_bytes -= info.length();
  }
  if (!info.has(kLost)) {
    info.set(kLost);
    transfer.lost_bytes += info.length();
  }
  stack.resent.remove(transfer, packet);
  if (transfer.lost_hint != nullptr && info.seq < sent(transfer.lost_hint).seq) transfer.lost_hint = packet;
}

void mark_all_lost(Stack& stack, Transfer& transfer) noexcept {
  // RFC 2018 §8: what lies at SND.UNA cannot have arrived, so a block that names it was taken back; then none can be trusted.
  const bool reneged = transfer.send_head != nullptr && sent(transfer.send_head).has(kSacked);
  if (reneged) ++stack.counters.sack_reneges;
  for (nic::Packet* packet = transfer.send_head; packet != nullptr && sent(packet).has(kTransmitted); packet = packet->link) {
    SentPacket& info = sent(packet);
    if (info.has(kSacked) && reneged) {
      info.clear(kSacked);
      transfer.sacked_bytes -= info.length();
      --transfer.sacked_packets;
    }
    if (!info.has(kSacked)) mark_lost(stack, transfer, packet);
  }
  if (reneged) {
    transfer.sacked_last = nullptr;
    transfer.named_count = 0;
  }
  transfer.lost_hint = nullptr;
  transfer.reno_bytes = 0;
}

void unmark_lost(Stack& stack, Transfer& transfer) noexcept {
  // What was sent again before it was given up was so before what is in flight.
  nic::Packet* before = nullptr;
  for (nic::Packet* packet = transfer.send_head; packet != nullptr && sent(packet).has(kTransmitted); packet = packet->link) {
    SentPacket& info = sent(packet);
    const bool given_up = info.has(kLost) && info.has(kEverRetransmitted) && !info.has(kRetransmitInFlight);
    clear_lost(transfer, info);
    if (!given_up) continue;
    stack.resent.add_behind(transfer, packet, before);
    before = packet;
  }
  transfer.lost_hint = nullptr;
  transfer.rack_next = nullptr;
}

}  // namespace sluice::tcp
