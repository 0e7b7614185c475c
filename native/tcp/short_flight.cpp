#include "tcp/short_flight.hpp"

#include <algorithm>
#include <cstring>

#include "tcp/acknowledge.hpp"
#include "tcp/congestion.hpp"
#include "tcp/ecn.hpp"
#include "tcp/retransmit_timer.hpp"
#include "tcp/send.hpp"
#include "tcp/transmit.hpp"
#include "wire/checksum.hpp"
#include "wire/tcp.hpp"

namespace sluice::tcp {

namespace {

constexpr uint32_t kPiecesMost = 10;

// What the device is given of a piece, and nobody else is: room for the headers, with a reference to the piece behind them. A short piece
// is copied there: a frame in one part, with one owner, takes a driver a fraction of the work, and the sum of its bytes is known. Null
// where no packet is free.
nic::Packet* frame_with(Stack& stack, nic::Packet* piece) noexcept {
  constexpr uint32_t kCopiedMost = 448;
  const bool copied = piece->length <= kCopiedMost;
  nic::Packet* const frame = stack.packets.allocate(copied ? piece->length : 0);
  if (frame == nullptr) return nullptr;
  if (!copied) {
    nic::PacketPool::ref(piece);
    frame->next = piece;
    return frame;
  }
  std::memcpy(frame->data, piece->data, piece->length);
  frame->length = piece->length;
  frame->flags = nic::kPayloadSummed;
  frame->segment_bytes = static_cast<uint16_t>(piece->scratch[0]);
  return frame;
}

struct Outgoing {
  nic::Packet* record;
  nic::Packet* frame;
};

// All that the pieces need, or nothing.
bool take_memory(Stack& stack, const SharedBodies::Pieces& pieces, Outgoing* out) noexcept {
  uint32_t count = 0;
  for (; count != pieces.count; ++count) {
    out[count].record = stack.records.allocate();
    if (out[count].record == nullptr) break;
    out[count].frame = frame_with(stack, pieces.first[count]);
    if (out[count].frame != nullptr) continue;
    stack.records.release(out[count].record);
    break;
  }
  if (count == pieces.count) return true;
  while (count-- != 0) {
    stack.records.release(out[count].record);
    stack.packets.unref_frame(out[count].frame);
  }
  return false;
}

void send_piece(Stack& stack, Tcb& row, const Outgoing& out, nic::Packet* piece, bool last) {
  nic::PacketPool::ref(piece);
  out.record->next = piece;
  const uint8_t kept = last ? kShared | kTransmitted | kPush : kShared | kTransmitted;
  sent(out.record) = {row.snd_nxt, stack.now_us32(), 0, piece->length, kept, 0};
  uint8_t flags = wire::kAck;
  if (last) flags |= wire::kPsh;
  const net::Ecn ecn = mark_outgoing(row, true, piece->length, flags);
  const Seq seq = row.snd_nxt;
  row.snd_nxt += piece->length;
  send_segment(stack, row, out.frame, seq, flags, ecn);
}

void begin_flight(Stack& stack, Tcb& row) noexcept {
  restart_after_idle(stack, row, nullptr);
  row.clear(kCwndLimited);
  if ((row.flags & (kAckNow | kAckDelayed | kAckHeld)) != 0) answered(row);
}

void note_flight(Stack& stack, Tcb& row, uint32_t first, uint32_t bytes, uint32_t segments) {
  // RFC 7661 §4.3, as for any other flight (send.cpp).
  if (row.cwnd < row.ssthresh && bytes >= row.cwnd / 2) row.set(kCwndLimited);
  stack.counters.bytes_out += bytes;
  stack.driver_counters.bytes_sent += bytes;
  ++stack.driver_counters.sends;
  stack.gauges.packets_sending += segments;
  row.transfer = kShortFlight | first;
  ++stack.short_flights;
  stack.flights_out.push({stack.row_of(row), first, stack.now_us32()});
}

// One must be there for each flight that is settled.
bool transfer_spare(const Stack& stack) noexcept { return stack.transfers.used() + stack.short_flights < stack.transfers.size(); }

// Whether a segment of so many bytes is all that concerns the connection, and most probably soon acknowledged: what is not within
// kShortFlightUs costs more than a usual flight.
bool may_answer_shortly(const Stack& stack, const Tcb& row, uint32_t bytes) noexcept {
  constexpr uint32_t kUnusual = kEcnOk | kFinReceived | kFinQueued | kFinWaiting | kWantWritable | kInOrphanList | kPaused;
  if (row.state != State::kEstablished || (row.flags & kUnusual) != 0 || row.in_flight() != 0) return false;
  if (row.srtt_us8 == 0 || row.srtt_us8 >= 8 * kShortFlightUs) return false;
  return bytes <= std::min({row.snd_wnd, uint32_t{row.mss}, row.cwnd, initial_window(row.mss)}) && transfer_spare(stack);
}

// With each piece read once, and without the calls that copies of an unknown length are otherwise.
[[gnu::always_inline]] inline void copy_twice(uint8_t* one, uint8_t* other, const uint8_t* from, uint32_t length) noexcept {
  struct Piece {
    uint64_t words[2];
  };
  constexpr uint32_t kPiece = sizeof(Piece);
  if (length < kPiece) {
    for (uint32_t at = 0; at < length; ++at) one[at] = other[at] = from[at];
    return;
  }
  const auto copy = [&](uint32_t at) {
    Piece piece;
    std::memcpy(&piece, from + at, kPiece);
    std::memcpy(one + at, &piece, kPiece);
    std::memcpy(other + at, &piece, kPiece);
  };
  for (uint32_t at = 0; at + kPiece < length; at += kPiece) copy(at);
  copy(length - kPiece);
}

nic::Packet* first_record(Stack& stack, const Tcb& row) noexcept { return stack.records.at(row.transfer & ~kShortFlight); }

}  // namespace

bool send_short_flight(Stack& stack, Tcb& row, const IoSlice& slice) {
  // With a transfer there is more to the connection.
  if (row.transfer != kNone || !transfer_spare(stack)) return false;
  const SharedBodies::Pieces pieces = shared_pieces(stack, row, slice.shared);
  if (pieces.count == 0 || pieces.count > (stack.options.nagle ? 1 : kPiecesMost)) return false;
  // What a pause may have made of the congestion window, which is looked at below.
  if (slice.length > std::min(row.cwnd, initial_window(row.mss))) return false;
  Outgoing out[kPiecesMost];
  if (!take_memory(stack, pieces, out)) return false;
  begin_flight(stack, row);
  for (uint32_t i = 0; i < pieces.count; ++i) {
    const bool last = i + 1 == pieces.count;
    out[i].record->link = last ? nullptr : out[i + 1].record;
    send_piece(stack, row, out[i], pieces.first[i], last);
  }
  note_flight(stack, row, stack.records.index_of(out[0].record), slice.length, pieces.count);
  stack.expected.sent(stack.row_of(row));
  return true;
}

bool send_short_answer(Stack& stack, Tcb& row, AnswerHead head, const uint8_t* data, uint32_t length) {
  const uint32_t bytes = head.bytes + length;
  SLUICE_ASSERT(bytes != 0 && bytes <= SentRecords::kOwnMost);
  if (!may_answer_shortly(stack, row, bytes)) return false;
  // With nothing in flight one is most often there for nothing but the next answer.
  if (row.has_transfer()) detach_if_idle(stack, row);
  if (row.transfer != kNone) return false;
  nic::Packet* const record = stack.records.allocate_own();
  if (record == nullptr) return false;
  nic::Packet* const frame = stack.packets.allocate(std::max<uint32_t>(bytes, sizeof head.word));
  if (frame == nullptr) {
    stack.records.release(record);
    return false;
  }
  wire::Checksum sum;
  // Of the bytes where they came from: those that were just written here would have to be waited for.
  sum.add_sum(head.bytes == sizeof head.word ? head.word : head.word & ((1u << 8 * head.bytes) - 1));
  sum.add(data, length);
  // What is too much of the word lies under the bytes behind it.
  std::memcpy(record->buffer, &head.word, sizeof head.word);
  std::memcpy(frame->data, &head.word, sizeof head.word);
  copy_twice(record->buffer + head.bytes, frame->data + head.bytes, data, length);
  frame->length = static_cast<uint16_t>(bytes);
  frame->flags = nic::kPayloadSummed;
  frame->segment_bytes = sum.raw();
  begin_flight(stack, row);
  const Seq seq = row.snd_nxt;
  sent(record) = {seq, stack.now_us32(), 0, static_cast<uint16_t>(bytes), kTransmitted | kPush, 0};
  record->link = nullptr;
  row.snd_nxt += bytes;
  send_segment(stack, row, frame, seq, wire::kAck | wire::kPsh, net::Ecn::kNotCapable);
  note_flight(stack, row, stack.records.index_of(record), bytes, 1);
  // As long as all rows stay in the cache names are compared sooner than hashed. Of more the table asks for the next rows earlier.
  constexpr uint32_t kExpectedMost = 16'384;
  if (stack.gauges.connections <= kExpectedMost) stack.expected.sent(stack.row_of(row));
  return true;
}

void settle_flight(Stack& stack, Tcb& row) noexcept {
  if (!row.in_short_flight()) return;
  nic::Packet* const first = first_record(stack, row);
  row.transfer = kNone;
  --stack.short_flights;
  Transfer* const transfer = attach_transfer(stack, row);
  SLUICE_ASSERT(transfer != nullptr);
  transfer->send_head = transfer->send_tail = first;
  while (transfer->send_tail->link != nullptr) transfer->send_tail = transfer->send_tail->link;
  arm_send_timer(stack, row, *transfer, true);
  // RFC 6298 §5.1: it runs since they were sent.
  const uint32_t elapsed_ms = (stack.now_us32() - sent(first).sent_us) / 1000;
  const uint32_t due_ms = transfer->due_ms - elapsed_ms;
  stack.timers.set(row.transfer, transfer->timer, clock_before(stack.now_ms(), due_ms) ? due_ms : stack.now_ms() + 1);
}

void end_short_flight(Stack& stack, Tcb& row) noexcept {
  for (nic::Packet* packet = first_record(stack, row); packet != nullptr;) {
    nic::Packet* const next = packet->link;
    release_sent(stack.packets, stack.records, packet);
    --stack.gauges.packets_sending;
    packet = next;
  }
  row.transfer = kNone;
  --stack.short_flights;
}

void run_short_flights(Stack& stack) noexcept {
  while (!stack.flights_out.empty() && stack.now_us32() - stack.flights_out.front().sent_us >= kShortFlightUs) {
    const FlightOut out = stack.flights_out.front();
    stack.flights_out.pop();
    // Over most often, which the record alone says: the row may have left the cache.
    const nic::Packet* const record = stack.records.at(out.record);
    if (!SentRecords::in_use(record) || sent(record).sent_us != out.sent_us) continue;
    Tcb& row = stack.rows[out.row];
    if (row.transfer == (kShortFlight | out.record)) settle_flight(stack, row);
  }
}

}  // namespace sluice::tcp
