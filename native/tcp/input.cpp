#include "tcp/input.hpp"

#include <algorithm>
#include <cerrno>

#include "tcp/ack_input.hpp"
#include "tcp/acknowledge.hpp"
#include "tcp/challenge.hpp"
#include "tcp/closing.hpp"
#include "tcp/connect.hpp"
#include "tcp/ecn.hpp"
#include "tcp/listen.hpp"
#include "tcp/receive.hpp"
#include "tcp/short_flight.hpp"
#include "tcp/time_wait_input.hpp"
#include "tcp/transmit.hpp"

namespace sluice::tcp {

namespace {

// As many segments are looked up before the first is taken, so that their memory comes meanwhile.
constexpr uint32_t kAhead = 32;
constexpr uint32_t kEntriesAhead = 24;  // a table's entry comes while as many more are hashed
constexpr uint32_t kStreamsAhead = 8;
constexpr uint32_t kPacketsAhead = 4;

void drop_packet(Stack& stack, const Arrival& arrival) noexcept { stack.packets.unref_frame(arrival.segment->packet); }

FlowRef find(const Stack& stack, const net::Flow& flow, uint32_t hash) noexcept {
  FlowTable::Cursor cursor(stack.flows, hash);
  for (FlowRef ref = cursor.next(); !ref.empty(); ref = cursor.next()) {
    switch (ref.kind()) {
      case FlowKind::kTcb:
        if (stack.is(stack.rows[ref.index()], flow)) return ref;
        break;
      case FlowKind::kHalfOpen:
        if (stack.half_open.is(ref.index(), flow)) return ref;
        break;
      case FlowKind::kTimeWait:
        if (stack.time_wait.is(ref.index(), flow)) return ref;
        break;
    }
  }
  return {};
}

// `guess`: the row that was found ahead of time. Segments before this one may have changed what the table says.
FlowRef find_guessed(const Stack& stack, const net::Flow& flow, uint32_t hash, uint32_t guess) noexcept {
  if (guess != kNone && stack.rows[guess].has(kHashed) && stack.is(stack.rows[guess], flow)) return FlowRef::make(FlowKind::kTcb, guess);
  return find(stack, flow, hash);
}

// RFC 7323 §5.3. False: the segment is old.
bool passes_paws(Stack& stack, Tcb& row, const Arrival& arrival) noexcept {
  if (!row.has(kTimestamps) || arrival.has(wire::kRst)) return true;
  if (!arrival.options.has_timestamp) return false;  // §3.2
  if (!clock_before(arrival.options.timestamp, row.ts_recent)) return true;
  // §5.5: a connection that was idle for 24 days knows nothing of its peer's clock any more.
  const auto age = static_cast<uint8_t>(age_now(stack.now_ms()) - row.ts_recent_age);
  return age > 24u * 86'400'000u >> kAgeShift;
}

// §3.10.7.4, first. The window may be closed: then only what takes no room in it is acceptable, at rcv_nxt.
bool acceptable(const Tcb& row, const Arrival& arrival) noexcept {
  const uint32_t window = row.receive_window();
  // What a reset carries is never taken (RFC 9293 §3.5.3), so it needs no room.
  const uint32_t length = arrival.has(wire::kRst) ? 0 : arrival.length();
  if (length == 0) return window == 0 ? arrival.seq == row.rcv_nxt : arrival.seq.in(row.rcv_nxt, window);
  if (window == 0) return false;
  return arrival.seq.in(row.rcv_nxt, window) || (arrival.end() - 1).in(row.rcv_nxt, window) ||
         (arrival.seq < row.rcv_nxt && row.rcv_nxt < arrival.end());
}

// Keepalive, or a question about a closed window: the last number that was acknowledged, without a byte (RFC 9293 §3.8.4, §3.8.6.1). Only
// an answer keeps the connection alive, so it must not depend on what all other peers ask in the same second.
bool is_probe(const Tcb& row, const Arrival& arrival) noexcept {
  return arrival.flags == wire::kAck && arrival.length() == 0 && arrival.seq == row.rcv_nxt - 1 && row.snd_una <= arrival.ack &&
         arrival.ack <= row.snd_nxt;
}

void refuse_unacceptable(Stack& stack, Tcb& row, const Arrival& arrival) {
  if (arrival.has(wire::kRst)) return;
  // With a closed window, what an acceptable segment would say of our own data still holds (§3.10.7.4, first).
  if (arrival.seq == row.rcv_nxt && row.receive_window() == 0 && arrival.has(wire::kAck) && !arrival.has(wire::kSyn)) {
    take_ack(stack, row, arrival);
    if (row.has(kDying)) return;
    ++stack.counters.dropped_window;
    return send_ack(stack, row);
  }
  const uint32_t payload = arrival.payload();
  if (payload != 0 && arrival.end() <= row.rcv_nxt) {
    ++stack.counters.duplicates_in;
    // RFC 2883 §4.1.1: a whole duplicate is reported.
    const wire::SackBlock duplicate{arrival.seq.raw, (arrival.seq + payload).raw};
    expect_small_window(row);
    return send_ack(stack, row, &duplicate);
  }
  ++stack.counters.dropped_window;
  // A FIN that comes again is acknowledged at once; anything else might be a trick to make us talk (RFC 5961 §5.3).
  if ((arrival.has(wire::kFin) && arrival.end() <= row.rcv_nxt) || is_probe(row, arrival)) return send_ack(stack, row);
  challenge(stack, row, payload != 0 && !arrival.has(wire::kSyn));
}

// §3.10.7.4, second, as RFC 5961 §3.2 has it.
void take_reset(Stack& stack, Tcb& row, const Arrival& arrival) {
  if (arrival.seq != row.rcv_nxt) return challenge(stack, row);
  ++stack.counters.resets_in;
  // §3.10.7.4, second: to CLOSED, not to TIME-WAIT. In LAST-ACK nothing but the end is awaited either.
  if (row.state == State::kClosing) row.state = State::kLastAck;
  if (end_in_peace(stack, row)) return;
  const bool opening = row.state == State::kSynReceived;
  if (opening) ++stack.counters.open_failures;
  fail_row(stack, row, opening ? ECONNREFUSED : ECONNRESET);
}

void update_ts_recent(Stack& stack, Tcb& row, const Arrival& arrival) noexcept {
  // RFC 7323 §4.3, step 2.
  if (!row.has(kTimestamps) || !arrival.options.has_timestamp || row.last_ack_sent < arrival.seq) return;
  if (clock_before(arrival.options.timestamp, row.ts_recent)) {
    if (passes_paws(stack, row, arrival)) row.ts_recent = arrival.options.timestamp;
    return;
  }
  row.ts_recent = arrival.options.timestamp;
  row.ts_recent_age = age_now(stack.now_ms());
}

// The checks that come before anything of a segment is used. False: it is dealt with.
bool admit(Stack& stack, Tcb& row, const Arrival& arrival) {
  if (!passes_paws(stack, row, arrival)) {
    ++stack.counters.dropped_paws;
    // A client that has lost its connection may have lost its liking for timestamps too: its SYN is asked about (RFC 5961 §4.2).
    if (!arrival.options.has_timestamp && !arrival.has(wire::kSyn)) return false;
    if (arrival.payload() != 0 && arrival.end() <= row.rcv_nxt) {
      const wire::SackBlock duplicate{arrival.seq.raw, (arrival.seq + arrival.payload()).raw};
      send_ack(stack, row, &duplicate);
    } else {
      challenge(stack, row, arrival.payload() != 0 && !arrival.has(wire::kSyn));
    }
    return false;
  }
  if (!acceptable(row, arrival)) {
    refuse_unacceptable(stack, row, arrival);
    return false;
  }
  if (arrival.has(wire::kRst)) {
    take_reset(stack, row, arrival);
    return false;
  }
  if (arrival.has(wire::kSyn)) {
    // RFC 5961 §4.2: whatever its number. In SYN-RECEIVED after a simultaneous open it is the peer's SYN-ACK, whose acknowledgement counts.
    if (row.state == State::kSynReceived && arrival.has(wire::kAck)) return true;
    challenge(stack, row);
    return false;
  }
  if (!arrival.has(wire::kAck)) {
    ++stack.counters.dropped_no_ack;
    return false;
  }
  return true;
}

// Header prediction: the next bytes of an established connection, within its window, and nothing else is said but what they acknowledge.
// Nearly every segment with a message is such a one, and none of the questions that admit() and receive_text() ask remains.
bool is_next(const Stack& stack, const Tcb& row, const Arrival& arrival) noexcept {
  constexpr uint32_t kUnusual = kPaused | kFinReceived | kInOrphanList;
  if (row.state != State::kEstablished || (arrival.flags & ~wire::kPsh) != wire::kAck || (row.flags & kUnusual) != 0) return false;
  const uint32_t bytes = arrival.payload();
  if (bytes == 0 || arrival.seq != row.rcv_nxt || bytes > row.receive_window() || row.stream == kNoStream) return false;
  if (row.has(kTimestamps)) {
    if (!arrival.options.has_timestamp || clock_before(arrival.options.timestamp, row.ts_recent)) return false;
  }
  return keeps_nothing(stack, row);
}

// All that is out, and nothing about the connection makes that more than the end of a flight: what ends, waits to write, grows its
// window or counts marks is asked more.
bool acknowledges_all(const Tcb& row, const Arrival& arrival) noexcept {
  constexpr uint32_t kUnusual = kFinQueued | kFinReceived | kFinWaiting | kInOrphanList | kWantWritable | kEcnOk | kCwndLimited;
  if ((row.flags & kUnusual) != 0 || arrival.ack != row.snd_nxt || row.in_flight() == 0) return false;
  return arrival.options.sack_count == 0 && row.transfer != kNone;
}

void take_next(Stack& stack, Tcb& row, const Arrival& arrival) {
  const net::Segment& segment = *arrival.segment;
  row.last_receive_ms = stack.now_ms();
  row.keepalive_sent = 0;
  update_ts_recent(stack, row, arrival);
  note_incoming_mark(stack, row, arrival);
  const bool answers = acknowledges_all(row, arrival) && clear_flight(stack, row, arrival);
  if (!answers && !take_ack(stack, row, arrival)) return drop_packet(stack, arrival);
  segment.packet->pull(segment.header_bytes);
  receive_next(stack, row, {segment.packet, arrival.seq, segment.payload_bytes});
}

// The same for the other direction: nothing but the acknowledgement of all that is out, as it comes for each delivery of a fan-out.
bool is_last_ack(const Tcb& row, const Arrival& arrival) noexcept {
  if (row.state != State::kEstablished || arrival.flags != wire::kAck || !acknowledges_all(row, arrival)) return false;
  if (arrival.payload() != 0 || arrival.seq != row.rcv_nxt) return false;
  return !row.has(kTimestamps) || (arrival.options.has_timestamp && !clock_before(arrival.options.timestamp, row.ts_recent));
}

void note_last_ack(Stack& stack, Tcb& row, const Arrival& arrival) {
  row.last_receive_ms = stack.now_ms();
  row.keepalive_sent = 0;
  update_ts_recent(stack, row, arrival);
  drop_packet(stack, arrival);
}

bool take_last_ack(Stack& stack, Tcb& row, const Arrival& arrival) {
  if (!is_last_ack(row, arrival) || !end_flight(stack, row, arrival)) return false;
  note_last_ack(stack, row, arrival);
  return true;
}

// Of a short flight: as one function, like what sends them (driver.cpp).
[[gnu::flatten, gnu::noinline]] bool take_short_ack(Stack& stack, Tcb& row, const Arrival& arrival) {
  if (!is_last_ack(row, arrival)) return false;
  acknowledge_short_flight(stack, row, arrival);
  note_last_ack(stack, row, arrival);
  return true;
}

// The next message of who had an answer, which it acknowledges.
bool take_short_next(Stack& stack, Tcb& row, const Arrival& arrival) {
  if (!is_next(stack, row, arrival) || !acknowledges_all(row, arrival)) return false;
  const net::Segment& segment = *arrival.segment;
  row.last_receive_ms = stack.now_ms();
  row.keepalive_sent = 0;
  update_ts_recent(stack, row, arrival);
  acknowledge_short_flight(stack, row, arrival);
  segment.packet->pull(segment.header_bytes);
  receive_next(stack, row, {segment.packet, arrival.seq, segment.payload_bytes});
  return true;
}

void take_segment(Stack& stack, const net::Segment& segment, uint32_t hash, uint32_t guess) {
  ++stack.counters.segments_in;
  Arrival arrival;
  arrival.segment = &segment;
  const auto view = wire::TcpView::parsed(segment.packet->data);
  SLUICE_ASSERT(segment.header_bytes >= wire::TcpView::kMinBytes);
  arrival.seq = {view.seq()};
  arrival.ack = {view.ack()};
  arrival.window = view.window();
  arrival.flags = view.flags();
  const uint32_t options_bytes = segment.header_bytes - wire::TcpView::kMinBytes;
  if (!wire::parse_tcp_options(view.options(), options_bytes, arrival.options)) ++stack.counters.dropped_bad_options;
  const FlowRef ref = find_guessed(stack, *segment.flow, hash, guess);
  if (ref.empty()) return take_without_connection(stack, arrival, hash);
  if (ref.kind() == FlowKind::kHalfOpen) return take_in_half_open(stack, ref.index(), arrival, hash);
  if (ref.kind() == FlowKind::kTimeWait) return take_in_time_wait(stack, ref.index(), arrival, hash);
  Tcb& row = stack.rows[ref.index()];
  if (row.in_short_flight()) {
    if (segment.payload_bytes == 0 ? take_short_ack(stack, row, arrival) : take_short_next(stack, row, arrival)) return;
    settle_flight(stack, row);
  }
  if (is_next(stack, row, arrival)) return take_next(stack, row, arrival);
  if (take_last_ack(stack, row, arrival)) return;
  if (row.state == State::kSynSent) return take_in_syn_sent(stack, row, arrival);
  take_in_connection(stack, row, arrival);
}

[[gnu::always_inline]] inline void prefetch_row(const Stack& stack, uint32_t index) noexcept {
  const char* const row = reinterpret_cast<const char*>(&stack.rows[index]);
  __builtin_prefetch(row, 1);
  __builtin_prefetch(row + 64, 1);
}

// The row of this segment, where it is among the next that a fan-out was sent to; else kNone.
uint32_t expected_row(Stack& stack, const net::Segment& segment) noexcept {
  // Some acknowledgements are lost or late.
  constexpr uint32_t kPassed = 4;
  for (uint32_t i = 0; i < kPassed; ++i) {
    const uint32_t index = stack.expected.peek(i);
    if (index == kNone) return kNone;
    const Tcb& row = stack.rows[index];
    if (!row.has(kHashed) || !stack.is(row, *segment.flow)) continue;
    stack.expected.pass(i + 1);
    return index;
  }
  return kNone;
}

// The row that the table has under this hash, whose memory is asked for; kNone where there is none.
uint32_t guess_row(const Stack& stack, uint32_t hash) noexcept {
  const FlowRef ref = FlowTable::Cursor(stack.flows, hash).next();
  if (ref.empty()) return kNone;
  if (ref.kind() == FlowKind::kHalfOpen) stack.half_open.prefetch(ref.index());
  if (ref.kind() != FlowKind::kTcb) return kNone;
  prefetch_row(stack, ref.index());
  return ref.index();
}

// The rows of the segments as far as they can be told before the first is taken, and the flows' hashes.
void look_up(Stack& stack, const net::Segment* segments, uint32_t count, uint32_t* hashes, uint32_t* rows) noexcept {
  for (uint32_t i = 0; i < count && stack.expected.peek(i) != kNone; ++i) prefetch_row(stack, stack.expected.peek(i));
  uint32_t others[kAhead];
  uint32_t left = 0;
  for (uint32_t i = 0; i < count; ++i) {
    rows[i] = expected_row(stack, segments[i]);
    if (rows[i] != kNone) {
      hashes[i] = stack.rows[rows[i]].free_next;
    } else {
      others[left++] = i;
    }
  }
  if (left == 0) return;
  for (uint32_t i = 0; i < left + kEntriesAhead; ++i) {
    if (i < left) {
      hashes[others[i]] = stack.flows.hash(*segments[others[i]].flow);
      stack.flows.prefetch(hashes[others[i]]);
    }
    if (i < kEntriesAhead) continue;
    const uint32_t other = others[i - kEntriesAhead];
    rows[other] = guess_row(stack, hashes[other]);
  }
}

// What the application's answer to a message will need, the way from the stream back to the row; and what an acknowledgement looks at.
[[gnu::always_inline]] inline void prefetch_behind(const Stack& stack, const Tcb& row, bool message) noexcept {
  if (message && row.stream < stack.stream_rows.size()) __builtin_prefetch(&stack.stream_rows[row.stream]);
  if (row.in_short_flight()) return __builtin_prefetch(stack.records.at(row.transfer & ~kShortFlight), 1);
  if (!row.has_transfer()) return;
  const char* const transfer = reinterpret_cast<const char*>(&stack.transfers[row.transfer]);
  for (size_t at = 0; at < Transfer::kHotBytes; at += 64) __builtin_prefetch(transfer + at, 1);
}

// The packet that it most probably gives back.
[[gnu::always_inline]] inline void prefetch_sent(const Stack& stack, const Tcb& row) noexcept {
  const Transfer* const transfer = stack.transfer_of(row);
  if (transfer != nullptr && transfer->send_head != nullptr) nic::PacketPool::prefetch(transfer->send_head);
}

}  // namespace

void take_in_connection(Stack& stack, Tcb& row, const Arrival& arrival) {
  const net::Segment& segment = *arrival.segment;
  if (row.state == State::kSynReceived && arrival.has(wire::kSyn) && arrival.has(wire::kAck) && arrival.seq + 1 == row.rcv_nxt) {
    // Simultaneous open (RFC 9293 figure 8): the other's SYN-ACK repeats its SYN, and acknowledges ours.
    if (arrival.ack == row.snd_nxt) become_established(stack, row);
    if (!row.has(kDying)) owe_ack_now(stack, row);
    return drop_packet(stack, arrival);
  }
  if (!admit(stack, row, arrival)) return drop_packet(stack, arrival);
  row.last_receive_ms = stack.now_ms();
  row.keepalive_sent = 0;
  update_ts_recent(stack, row, arrival);
  note_incoming_mark(stack, row, arrival);
  if (row.state == State::kSynReceived) {
    if (arrival.ack != row.snd_nxt) {
      send_reset_for(stack, segment);
      return drop_packet(stack, arrival);
    }
    become_established(stack, row);
    if (row.has(kDying)) return drop_packet(stack, arrival);
  }
  if (!take_ack(stack, row, arrival)) return drop_packet(stack, arrival);
  const bool fin = arrival.has(wire::kFin);
  if ((segment.payload_bytes == 0 && !fin) || !may_receive(row.state) || row.has(kFinReceived)) {
    drop_packet(stack, arrival);
    return detach_if_idle(stack, row);
  }
  Text text{segment.packet, arrival.seq, segment.payload_bytes};
  text.frame->pull(segment.header_bytes);
  receive_text(stack, row, text, fin);
  if (!row.has(kDying)) detach_later(stack, row);
}

Tcb* find_row(Stack& stack, const net::Flow& flow) noexcept {
  const FlowRef ref = find(stack, flow, stack.flows.hash(flow));
  return ref.empty() || ref.kind() != FlowKind::kTcb ? nullptr : &stack.rows[ref.index()];
}

void take_segments(Stack& stack, const net::Segment* segments, uint32_t count) {
  while (count != 0) {
    const uint32_t some = std::min(count, kAhead);
    uint32_t hashes[kAhead];
    uint32_t rows[kAhead];
    look_up(stack, segments, some, hashes, rows);
    for (uint32_t i = 0; i < some; ++i) {
      const uint32_t next = i + kStreamsAhead < some ? rows[i + kStreamsAhead] : kNone;
      if (next != kNone) prefetch_behind(stack, stack.rows[next], segments[i + kStreamsAhead].payload_bytes != 0);
      // The rest of its header lies in the line behind the first, and is another CPU's still where many frames came.
      if (i + kStreamsAhead < some) __builtin_prefetch(segments[i + kStreamsAhead].packet->data + wire::TcpView::kMinBytes);
      const uint32_t soon = i + kPacketsAhead < some ? rows[i + kPacketsAhead] : kNone;
      if (soon != kNone) prefetch_sent(stack, stack.rows[soon]);
      take_segment(stack, segments[i], hashes[i], rows[i]);
    }
    segments += some;
    count -= some;
  }
}

}  // namespace sluice::tcp
