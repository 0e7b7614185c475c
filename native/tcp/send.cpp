#include "tcp/send.hpp"

#include <algorithm>
#include <cstring>

#include "tcp/acknowledge.hpp"
#include "tcp/congestion.hpp"
#include "tcp/ecn.hpp"
#include "tcp/pacing.hpp"
#include "tcp/retransmit_timer.hpp"
#include "tcp/sent_packet.hpp"
#include "tcp/short_flight.hpp"
#include "tcp/transmit.hpp"
#include "wire/checksum.hpp"
#include "wire/tcp.hpp"

namespace sluice::tcp {

// ---- the queue ----

namespace {

// A connection may always queue this much, where there are packets: enough for the first flights.
constexpr uint32_t kQueueLeast = 64u << 10;

void link_tail(Stack& stack, Transfer& transfer, nic::Packet* packet) noexcept {
  packet->link = nullptr;
  if (transfer.send_tail != nullptr) {
    transfer.send_tail->link = packet;
  } else {
    transfer.send_head = packet;
  }
  transfer.send_tail = packet;
  if (transfer.send_next == nullptr) transfer.send_next = packet;
  ++stack.gauges.packets_sending;
}

nic::Packet* new_packet(Stack& stack, const Tcb& row, Transfer& transfer) noexcept {
  // The last eighth is for what keeps connections alive: acknowledgements, probes, retransmissions that have to be split, and
  // whatever the device receives into.
  const bool spare = stack.packets.free_count() > stack.packets_total / 8;
  nic::Packet* const packet = spare ? stack.packets.allocate(row.mss) : nullptr;
  if (packet == nullptr) {
    ++stack.counters.send_no_packet;
    return nullptr;
  }
  sent(packet) = {transfer.write_end, 0, packet->headroom(), 0, 0, 0};
  link_tail(stack, transfer, packet);
  return packet;
}

// What is written into one segment. While something is out of order it leaves room for what is said of that (RFC 2018 §3), which then needs
// no segments of its own. Nagle's rule would take those for small ones.
uint32_t segment_room(const Stack& stack, const Tcb& row, const Transfer& transfer) noexcept {
  constexpr uint32_t kBlocksMax = 2;
  if (!row.has(kSackOk) || transfer.block_count == 0 || stack.options.nagle) return row.mss;
  const uint32_t blocks = 4 + 8 * std::min<uint32_t>(transfer.block_count, kBlocksMax);
  return row.mss > 4 * blocks ? row.mss - blocks : row.mss;
}

// The last packet, if it was never sent and has room for more.
nic::Packet* open_tail(const Transfer& transfer, uint32_t most) noexcept {
  nic::Packet* const tail = transfer.send_tail;
  constexpr uint8_t kClosed = kTransmitted | kCarriesFin | kShared;
  if (transfer.send_next == nullptr || (sent(tail).flags & kClosed) != 0 || sent(tail).bytes >= most) return nullptr;
  return tail->tailroom() == 0 ? nullptr : tail;
}

// Segments that end in the pieces of the one copy. 0 where that does not suit the connection.
uint32_t append_shared(Stack& stack, const Tcb& row, Transfer& transfer, const IoSlice& slice) {
  const SharedBodies::Pieces pieces = shared_pieces(stack, row, slice.shared);
  uint32_t accepted = 0;
  for (uint32_t i = 0; i < pieces.count; ++i) {
    nic::Packet* const packet = new_packet(stack, row, transfer);
    if (packet == nullptr) break;
    nic::Packet* const piece = pieces.first[i];
    nic::PacketPool::ref(piece);
    packet->next = piece;
    SentPacket& info = sent(packet);
    info.offset = 0;
    info.bytes = piece->length;
    info.set(kShared);
    transfer.write_end += piece->length;
    accepted += piece->length;
  }
  return accepted;
}

void list_for_writing(Stack& stack, Tcb& row) {
  if (row.has(kInWriteList)) return;
  row.set(kInWriteList);
  stack.write_list.push(stack.row_of(row));
}

}  // namespace

SharedBodies::Pieces shared_pieces(Stack& stack, const Tcb& row, uint32_t shared) {
  SharedBodies::Pieces pieces = stack.bodies.pieces(shared);
  if (pieces.count == 0) {
    // The largest that leave room for timestamps: for the first one's family of addresses, which nearly all have.
    const uint32_t bytes = std::min(interface_mss(stack, row.remote), stack.packets.room());
    if (bytes > kTimestampBytes) pieces = stack.bodies.cut(shared, bytes - kTimestampBytes);
  }
  if (row.mss < pieces.bytes) pieces.count = 0;
  return pieces;
}

uint32_t send_room(const Stack& stack, const Tcb& row) noexcept {
  if (row.has(kFinQueued)) return 0;
  const Transfer* const transfer = stack.transfer_of(row);
  const uint32_t queued = transfer == nullptr ? row.in_flight() : transfer->write_end - row.snd_una;
  // Twice the congestion window keeps the pipe full; more would only wait in packets that others could use.
  uint64_t limit = std::min<uint64_t>(stack.options.send_buffer, std::max<uint64_t>(2ull * row.cwnd, kQueueLeast));
  const uint32_t free = stack.packets.free_count();
  const uint32_t total = stack.packets_total;
  // Below a half, only what the peer's window takes; below a quarter, a segment at a time, so that no peer that takes nothing keeps
  // packets from those that do.
  if (free < total / 2) limit = std::min<uint64_t>(limit, row.snd_wnd);
  if (free < total / 4) limit = std::min<uint64_t>(limit, row.mss);
  if (free <= total / 8) limit = 0;
  return limit > queued ? static_cast<uint32_t>(limit) - queued : 0;
}

uint32_t append_bytes(Stack& stack, Tcb& row, const IoSlice* slices, uint32_t count) {
  // Below, a copy costs less than one more piece of the frame.
  constexpr uint32_t kPieceFrom = 256;
  uint32_t room = send_room(stack, row);
  if (room == 0) return 0;
  Transfer* const transfer = attach_transfer(stack, row);
  if (transfer == nullptr) return 0;
  uint32_t accepted = 0;
  const uint32_t most = segment_room(stack, row, *transfer);
  nic::Packet* packet = open_tail(*transfer, most);
  for (uint32_t i = 0; i < count && room != 0; ++i) {
    const uint8_t* from = slices[i].data;
    if (slices[i].shared != 0 && slices[i].length >= kPieceFrom && slices[i].length <= room) {
      const uint32_t taken = append_shared(stack, row, *transfer, slices[i]);
      accepted += taken;
      room -= taken;
      if (taken != 0) packet = nullptr;
      if (taken == slices[i].length) continue;
      // No packet was free.
      if (taken != 0) break;
    }
    uint32_t left = std::min(slices[i].length, room);
    room -= left;
    while (left != 0) {
      if (packet == nullptr) packet = new_packet(stack, row, *transfer);
      if (packet == nullptr) {
        detach_if_idle(stack, row);
        return accepted;
      }
      SentPacket& info = sent(packet);
      const uint32_t chunk = std::min({left, most - info.bytes, static_cast<uint32_t>(packet->tailroom())});
      std::memcpy(packet->data + packet->length, from, chunk);
      packet->length = static_cast<uint16_t>(packet->length + chunk);
      info.bytes = static_cast<uint16_t>(info.bytes + chunk);
      transfer->write_end += chunk;
      accepted += chunk;
      from += chunk;
      left -= chunk;
      if (info.bytes >= most || packet->tailroom() == 0) packet = nullptr;
    }
  }
  if (transfer->send_tail != nullptr) sent(transfer->send_tail).set(kPush);
  return accepted;
}

void append_fin(Stack& stack, Tcb& row) {
  row.set(kFinWaiting);
  Transfer* const transfer = attach_transfer(stack, row);
  if (transfer == nullptr) return list_for_writing(stack, row);
  nic::Packet* packet = transfer->send_next != nullptr ? transfer->send_tail : nullptr;
  if (packet == nullptr || sent(packet).has(kTransmitted)) packet = new_packet(stack, row, *transfer);
  if (packet == nullptr) return;
  sent(packet).set(kCarriesFin);
  transfer->write_end += 1;
  row.clear(kFinWaiting);
}

bool split_packet(Stack& stack, Transfer& transfer, nic::Packet* packet, uint32_t bytes) {
  SentPacket& info = sent(packet);
  SLUICE_ASSERT(bytes > 0 && bytes < info.bytes);
  nic::Packet* const rest = stack.packets.allocate(info.bytes - bytes);
  if (rest == nullptr) {
    ++stack.counters.send_no_packet;
    return false;
  }
  const uint8_t* const payload = payload_of(packet);
  const uint32_t moved = info.bytes - bytes;
  std::memcpy(rest->data, payload + bytes, moved);
  rest->length = static_cast<uint16_t>(moved);
  sent(rest) = {info.seq + bytes, info.sent_us, rest->headroom(), static_cast<uint16_t>(moved), info.flags, 0};
  sent(rest).clear(kShared);
  info.bytes = static_cast<uint16_t>(bytes);
  info.clear(kCarriesFin);
  info.clear(kPush);
  if (!info.has(kTransmitted)) packet->length = static_cast<uint16_t>(bytes);
  rest->link = packet->link;
  packet->link = rest;
  if (transfer.send_tail == packet) transfer.send_tail = rest;
  if (transfer.sacked_last == packet) transfer.sacked_last = rest;
  if (info.has(kSacked)) ++transfer.sacked_packets;
  if (info.resent != 0) stack.resent.add_behind(transfer, rest, packet);
  ++stack.gauges.packets_sending;
  return true;
}

// ---- sending ----

uint32_t pipe(const Tcb& row, const Transfer& transfer) noexcept {
  const uint32_t left = transfer.sacked_bytes + transfer.lost_bytes + transfer.reno_bytes;
  const uint32_t flight = row.in_flight() + transfer.again_bytes;
  return flight > left ? flight - left : 0;
}

namespace {

// What is sent of shared bytes is all of a piece; a part of one becomes the packet's own.
void own_part(Stack& stack, nic::Packet* packet) noexcept {
  SentPacket& info = sent(packet);
  nic::Packet* const piece = packet->next;
  if (info.offset == 0 && info.bytes == piece->length) return;
  std::memcpy(packet->buffer + nic::kHeadroom, piece->data + info.offset, info.bytes);
  info.offset = nic::kHeadroom;
  info.clear(kShared);
  packet->next = nullptr;
  stack.packets.unref(piece);
}

// The packet itself with a reference of the device's, at its payload. Drivers give packets back only when they send again, which on a quiet
// link is perhaps never: what is still theirs is sent again as a copy, and so is what only a record is kept of. Null where there is no
// packet for that.
nic::Packet* frame_of(Stack& stack, nic::Packet* packet) noexcept {
  SentPacket& info = sent(packet);
  if (__builtin_expect(is_record(packet) || stack.ip.transmitting(packet), 0)) {
    nic::Packet* const copy = stack.packets.allocate(info.bytes);
    if (copy == nullptr) {
      ++stack.counters.send_no_packet;
      return nullptr;
    }
    std::memcpy(copy->data, payload_of(packet), info.bytes);
    copy->length = info.bytes;
    return copy;
  }
  if (info.has(kShared)) own_part(stack, packet);
  if (info.has(kShared)) {
    packet->data = packet->buffer + nic::kHeadroom;
    packet->length = 0;
    nic::PacketPool::ref(packet->next);
  } else {
    packet->data = packet->buffer + info.offset;
    packet->length = info.bytes;
    packet->next = nullptr;
  }
  packet->flags = 0;
  nic::PacketPool::ref(packet);
  return packet;
}

}  // namespace

bool not_sent_yet(const Stack& stack, const nic::Packet* packet) noexcept {
  // Its frame may be among those that wait for the device.
  if (is_record(packet)) return stack.ip.device_full();
  return packet->waiting != 0 || (stack.ip.device_full() && stack.ip.transmitting(packet));
}

namespace {

// `frame`: the queued packet of this record, or a copy.
void send_frame(Stack& stack, Tcb& row, Transfer& transfer, SentPacket& info, nic::Packet* frame) {
  const bool first = !info.has(kTransmitted);
  uint8_t flags = wire::kAck;
  if (info.has(kCarriesFin)) flags |= wire::kFin;
  if (info.has(kPush) || info.has(kCarriesFin)) flags |= wire::kPsh;
  const net::Ecn ecn = mark_outgoing(row, first, info.bytes, flags);
  info.sent_us = stack.now_us32();
  if (first) {
    info.set(kTransmitted);
    if ((row.flags & (kAckNow | kAckDelayed | kAckHeld)) != 0) answered(row);
    row.snd_nxt = info.end();
    stack.counters.bytes_out += info.bytes;
    stack.driver_counters.bytes_sent += info.bytes;
  } else {
    ++stack.counters.retransmits;
    row.count_retransmit();
    info.set(kEverRetransmitted);
    if (info.has(kLost) && !info.has(kRetransmitInFlight)) {
      info.set(kRetransmitInFlight);
      transfer.again_bytes += info.length();
    }
    ++transfer.undo_count;
    if (transfer.undo_ts == 0) transfer.undo_ts = (stack.now_ms() + row.ts_offset) | 1;
  }
  transfer.prr_out += info.length();
  send_segment(stack, row, frame, info.seq, flags, ecn);
}

}  // namespace

bool send_queued(Stack& stack, Tcb& row, Transfer& transfer, nic::Packet* packet) {
  if (not_sent_yet(stack, packet)) return false;
  nic::Packet* const frame = frame_of(stack, packet);
  if (frame == nullptr) return false;
  if (sent(packet).has(kTransmitted)) stack.resent.add(transfer, packet);
  send_frame(stack, row, transfer, sent(packet), frame);
  return true;
}

namespace {

// What was marked lost and not sent again since. Returns false when the congestion window is used up.
bool send_lost(Stack& stack, Tcb& row, Transfer& transfer) {
  // RFC 5682 §2.1, step 2b: only what is new, until it is known whether anything was lost.
  if (transfer.lost_bytes == 0 || transfer.frto == 2) return true;
  nic::Packet* packet = transfer.lost_hint != nullptr ? transfer.lost_hint : transfer.send_head;
  for (; packet != nullptr && sent(packet).has(kTransmitted); packet = packet->link) {
    transfer.lost_hint = packet;
    SentPacket& info = sent(packet);
    if (!info.has(kLost) || info.has(kRetransmitInFlight)) continue;
    const uint32_t in_network = pipe(row, transfer);
    if (in_network != 0 && in_network + info.length() > row.cwnd) return false;
    if (info.bytes > row.mss && !split_packet(stack, transfer, packet, row.mss)) return false;
    if (!send_queued(stack, row, transfer, packet)) return false;
  }
  return true;
}

// RFC 9293 §3.8.6.2.1: whether a packet that the window does not take whole is sent in part.
uint32_t part_for_window(const Tcb& row, const SentPacket& info, uint32_t usable) noexcept {
  if (usable >= info.bytes) return info.bytes;
  return usable != 0 && usable >= std::min<uint32_t>(row.snd_wnd_max / 2, row.mss) ? usable : 0;
}

// False when the packet has to wait.
bool may_send_new(Stack& stack, Tcb& row, Transfer& transfer, nic::Packet* packet) {
  SentPacket& info = sent(packet);
  const Seq edge = row.snd_una + row.snd_wnd;
  const uint32_t usable = info.seq < edge ? edge - info.seq : 0;
  // A FIN needs no room in the window of its own: peers acknowledge it, and one without bytes behind a full window ends the wait.
  uint32_t part = info.bytes == 0 ? 0 : part_for_window(row, info, std::min<uint32_t>(usable, UINT32_MAX));
  if (info.bytes != 0 && part == 0) return false;
  if (info.bytes == 0 && usable == 0 && row.in_flight() != 0) return false;
  part = std::min<uint32_t>(part, row.mss);
  const uint32_t in_network = pipe(row, transfer);
  if (in_network != 0 && in_network + part > row.cwnd) {
    row.set(kCwndLimited);
    return false;
  }
  row.clear(kCwndLimited);
  // RFC 9293 §3.7.4: with Nagle, a small segment waits while anything is unacknowledged.
  if (stack.options.nagle && info.bytes < row.mss && !info.has(kCarriesFin) && row.in_flight() != 0) return false;
  return part == info.bytes || split_packet(stack, transfer, packet, part);
}

// RFC 7661 §4.3, RFC 9406 §4.2: a window grows only while it is what holds the sender back; slow start may run ahead of the application.
void note_limit(Tcb& row, const Transfer& transfer) noexcept {
  const bool had_its_turn = transfer.send_next == nullptr || transfer.awaits_pace;
  if (had_its_turn && row.cwnd < row.ssthresh && row.in_flight() >= validated_flight(row, transfer)) row.set(kCwndLimited);
}

// Returns whether anything went out.
bool send_new(Stack& stack, Tcb& row, Transfer& transfer) {
  const uint32_t room = paced_room(stack, row, transfer);
  uint32_t left = room;
  bool sent_any = false;
  while (transfer.send_next != nullptr) {
    nic::Packet* const packet = transfer.send_next;
    if (std::min(sent(packet).bytes, row.mss) > left) {
      wait_for_pace(stack, row, transfer);
      break;
    }
    if (!may_send_new(stack, row, transfer, packet)) break;
    // It can only fail for what is with the device already, and this was never sent.
    send_queued(stack, row, transfer, packet);
    transfer.send_next = packet->link;
    sent_any = true;
    left -= sent(packet).bytes;
  }
  if (room != UINT32_MAX && sent_any) note_paced(stack, row, transfer, room - left);
  return sent_any;
}

}  // namespace

void push_out(Stack& stack, Tcb& row) {
  if (row.state == State::kSynSent || row.state == State::kSynReceived) return;
  if (row.has(kFinWaiting)) append_fin(stack, row);
  Transfer* const transfer = stack.transfer_of(row);
  if (transfer == nullptr) return;
  if (transfer->send_head == nullptr) return arm_send_timer(stack, row, *transfer, false);
  const bool idle = row.in_flight() == 0;
  if (idle) restart_after_idle(stack, row, transfer);
  const bool sent_any = send_lost(stack, row, *transfer) && send_new(stack, row, *transfer);
  if (transfer->frto == 2 && !sent_any) {
    transfer->frto = 0;
    send_lost(stack, row, *transfer);
  }
  if (sent_any) ++stack.driver_counters.sends;
  note_limit(row, *transfer);
  // RFC 6298 §5.1: a timer that runs goes on running. Started anew with every segment it would never end where the application writes
  // more often than that, and what was lost would never be sent again.
  arm_send_timer(stack, row, *transfer, idle);
}

namespace {

// The connection's transfer, with nothing in its send queue, for segments that leave at once; null where there is none.
Transfer* empty_transfer(Stack& stack, Tcb& row) {
  Transfer* const transfer = attach_transfer(stack, row);
  return transfer != nullptr && transfer->send_head == nullptr ? transfer : nullptr;
}

}  // namespace

bool send_at_once(Stack& stack, Tcb& row, const IoSlice& slice) {
  constexpr uint32_t kSummedHere = 256;  // of more the device is asked for the sum, where it can
  const uint32_t bytes = slice.length;
  const bool plain = row.state == State::kEstablished && (row.flags & (kFinQueued | kFinWaiting)) == 0;
  if (!plain || row.in_flight() != 0 || bytes == 0 || bytes > row.snd_wnd) return false;
  if (slice.shared != 0) return send_short_flight(stack, row, slice);
  if (bytes > row.mss) return false;
  nic::Packet* const packet = stack.packets.allocate_kept(bytes);
  if (packet == nullptr) return false;
  Transfer* const transfer = empty_transfer(stack, row);
  if (transfer == nullptr) {
    stack.packets.unref(packet);
    return false;
  }
  std::memcpy(packet->data, slice.data, bytes);
  packet->length = static_cast<uint16_t>(bytes);
  if (bytes <= kSummedHere) {
    // Of the bytes where they came from: those that were just written here would have to be waited for.
    wire::Checksum sum;
    sum.add(slice.data, bytes);
    packet->flags = nic::kPayloadSummed;
    packet->segment_bytes = sum.raw();
  }
  sent(packet) = {transfer->write_end, 0, packet->headroom(), static_cast<uint16_t>(bytes), kPush, 0};
  link_tail(stack, *transfer, packet);
  transfer->write_end += bytes;
  restart_after_idle(stack, row, transfer);
  row.clear(kCwndLimited);
  nic::PacketPool::ref(packet);
  send_frame(stack, row, *transfer, sent(packet), packet);
  transfer->send_next = nullptr;
  ++stack.driver_counters.sends;
  note_limit(row, *transfer);
  arm_send_timer(stack, row, *transfer, true);
  return true;
}

// ---- the application's side ----

void offer_room(Stack& stack, Tcb& row) {
  if (row.has(kWantWritable)) list_for_writing(stack, row);
}

uint32_t run_write_list(Stack& stack) {
  // Where packets are short millions may wait. To look at all of them, turn after turn, would leave no time for the acknowledgements that
  // give packets back; and what those write who are told now is not in the count of free packets yet.
  constexpr size_t kWritersATurn = 1024;
  uint32_t told = 0;
  Fifo<uint32_t>& list = stack.write_list;
  for (size_t left = std::min(list.size(), kWritersATurn); left != 0; --left) {
    if (stack.packets.free_count() <= stack.packets_total / 8) break;
    const uint32_t index = list.front();
    list.pop();
    Tcb& row = stack.rows[index];
    if (!row.has(kDying) && row.has(kFinWaiting)) {
      // It waited for a transfer (see append_fin), with which it has a timer.
      unlist(stack, row, kInWriteList);
      push_out(stack, row);
      continue;
    }
    if (row.has(kDying) || !row.has(kWantWritable) || row.stream == kNoStream) {
      unlist(stack, row, kInWriteList);
      continue;
    }
    // Not for every segment that is acknowledged, but for a good part of what it can queue.
    const Transfer* const transfer = stack.transfer_of(row);
    const uint32_t queued = transfer == nullptr ? 0 : transfer->write_end - row.snd_una;
    const uint32_t room = send_room(stack, row);
    if (room == 0 || (room < queued / 2 && room < kQueueLeast)) {
      if (queued == 0) {
        // It waits for packets, not for its peer: nothing else will bring it back.
        list.push(index);
      } else {
        unlist(stack, row, kInWriteList);
      }
      continue;
    }
    unlist(stack, row, kInWriteList);
    row.clear(kWantWritable);
    ++told;
    stack.sink.on_writable(row.stream);
  }
  return told;
}

}  // namespace sluice::tcp
