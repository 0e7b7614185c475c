#include "tcp/listen.hpp"

#include <algorithm>

#include "tcp/connect.hpp"
#include "tcp/input.hpp"
#include "tcp/reassembly.hpp"
#include "tcp/retransmit_timer.hpp"
#include "tcp/rtt.hpp"
#include "tcp/transmit.hpp"
#include "tcp/window.hpp"

namespace sluice::tcp {

namespace {

constexpr uint32_t kCookieLifeMs = 66'000;  // no cookie is older
// In a turn: a flood fills the table within milliseconds, so all of it is due at once, and who is connected would wait for that.
constexpr uint32_t kAnsweredAgainMax = 256;

void drop_packet(Stack& stack, const Arrival& arrival) noexcept { stack.packets.unref_frame(arrival.segment->packet); }

void answer_syn(Stack& stack, const net::Flow& flow, const HalfOpen& record) {
  const uint32_t timestamp = stack.now_ms() + timestamp_offset(stack, flow);
  send_syn_ack(stack, {&flow, record.iss, record.irs, record.agreed(), timestamp});
}

void answer_by_cookie(Stack& stack, const Arrival& arrival, Negotiated agreed) {
  const net::Flow& flow = *arrival.segment->flow;
  ++stack.counters.syn_cookies_sent;
  stack.cookies_sent = true;
  stack.cookies_sent_ms = stack.now_ms();
  if (!agreed.timestamps) agreed.sack = agreed.scaled = agreed.ecn = false;
  const Seq iss = stack.cookies.make(flow, arrival.seq, agreed, stack.now_ms());
  // Of a flood, most bring no timestamps: the offset's hash is a good part of what an answer costs.
  const uint32_t clock = agreed.timestamps ? stack.now_ms() + timestamp_offset(stack, flow) : 0;
  send_syn_ack(stack, {&flow, iss, arrival.seq, agreed, SynCookies::timestamp(agreed, clock)});
}

// The third segment of a handshake is there: a connection, if there is a row and the application wants it. The segment is then taken
// as the connection's first.
struct Opening {
  Negotiated agreed;
  Seq iss;
  Seq irs;
  bool measured = false;  // the timestamp that it echoes says when the SYN-ACK was sent
  uint8_t tries = 0;      // SYN-ACKs beyond the first
  uint64_t cookie = 0;    // the name of the one that opens it
};
void open_passive(Stack& stack, const Arrival& arrival, uint32_t hash, uint8_t local, const Opening& opening) {
  Tcb* const row = open_row(stack, *arrival.segment->flow, local, hash);
  const StreamId id = row == nullptr ? kNoStream : stack.sink.on_accept();
  if (id == kNoStream) {
    ++stack.counters.refused_full;
    ++stack.driver_counters.refused;
    send_reset_for(stack, *arrival.segment);
    if (row != nullptr) close_row(stack, *row);
    return drop_packet(stack, arrival);
  }
  set_up(stack, *row, opening.agreed, opening.iss, opening.irs, static_cast<uint32_t>(arrival.window) << opening.agreed.send_shift);
  row->state = State::kEstablished;
  if (opening.measured) {
    const uint32_t rtt_ms = stack.now_ms() + row->ts_offset - arrival.options.timestamp_echo;
    if (rtt_ms < 60'000) update_rtt(*row, std::max(rtt_ms, 1u) * 1000);
  }
  if (opening.tries != 0) start_after_lost_syn(*row, opening.tries);
  bind_stream(stack, *row, id);
  if (opening.cookie != 0) stack.spent_cookies.add(opening.cookie);
  ++stack.counters.passive_opens;
  ++stack.driver_counters.accepted;
  take_in_connection(stack, *row, arrival);
}

// The segment may belong to a connection that nothing is known of here, because a cookie stands for it.
bool cookie_may_stand_for(const Stack& stack, const Arrival& arrival) {
  const bool plain = (arrival.flags & (wire::kSyn | wire::kRst | wire::kAck)) == wire::kAck;
  if (!plain || !stack.cookies_sent || stack.now_ms() - stack.cookies_sent_ms > kCookieLifeMs) return false;
  return listening_on(stack, *arrival.segment->flow);
}

// Whether it acknowledges a cookie that opens a connection yet.
bool may_have_overtaken(const Stack& stack, const Arrival& arrival) {
  uint64_t name = 0;
  return cookie_may_stand_for(stack, arrival) &&
         stack.cookies.may_be_ours(*arrival.segment->flow, arrival.ack - 1, stack.now_ms(), name) && !stack.spent_cookies.has(name);
}

// Whether the segment acknowledges a cookie, not spent, that answered the SYN with that number, and what the cookie stands for.
bool read_cookie(Stack& stack, const Arrival& arrival, Seq irs, Opening& opening) {
  if (!cookie_may_stand_for(stack, arrival)) return false;
  opening = {{}, arrival.ack - 1, irs};
  const net::Flow& flow = *arrival.segment->flow;
  const bool ours = stack.cookies.check(flow, irs, opening.iss, stack.now_ms(), opening.agreed, opening.cookie);
  if (!ours || stack.spent_cookies.has(opening.cookie)) {
    ++stack.counters.syn_cookies_bad;
    return false;
  }
  if (stack.options.timestamps && arrival.options.has_timestamp) {
    SynCookies::read_timestamp(arrival.options.timestamp_echo, opening.agreed);
    opening.agreed.ts_recent = arrival.options.timestamp;
  }
  ++stack.counters.syn_cookies_good;
  return true;
}

bool cookie_opens(Stack& stack, const Arrival& arrival, uint32_t hash) {
  Opening opening;
  if (!read_cookie(stack, arrival, arrival.seq - 1, opening)) return false;
  const uint8_t local = stack.locals.intern(arrival.segment->flow->local);
  if (local == LocalAddresses::kUnknown) return false;
  open_passive(stack, arrival, hash, local, opening);
  return true;
}

}  // namespace

bool is_listeners(const Stack& stack, const net::Flow& flow) noexcept {
  const Listener& listener = stack.listener;
  return flow.local_port == listener.port && (listener.any_address || flow.local == listener.address);
}

bool listening_on(const Stack& stack, const net::Flow& flow) noexcept { return stack.listener.open && is_listeners(stack, flow); }

void take_syn_for_listener(Stack& stack, const Arrival& arrival, uint32_t hash, const Seq* least) {
  ++stack.counters.syns_in;
  const net::Flow& flow = *arrival.segment->flow;
  Negotiated agreed = negotiate(stack, arrival);
  agreed.ecn = stack.options.ecn && (arrival.flags & (wire::kEce | wire::kCwr)) == (wire::kEce | wire::kCwr);
  const uint8_t local = stack.locals.intern(flow.local);
  uint32_t index = kNone;
  if (!stack.options.syn_cookies_always && local != LocalAddresses::kUnknown) {
    index = stack.half_open.add(flow, local, hash, stack.now_ms() + 1000);
  }
  if (index == kNone) {
    answer_by_cookie(stack, arrival, agreed);
    return drop_packet(stack, arrival);
  }
  HalfOpen& record = stack.half_open[index];
  record.store(agreed);
  record.iss = initial_sequence(stack, flow);
  if (least != nullptr && record.iss <= *least) record.iss = *least + 65'537;
  record.irs = arrival.seq;
  answer_syn(stack, flow, record);
  drop_packet(stack, arrival);
}

void take_without_connection(Stack& stack, const Arrival& arrival, uint32_t hash) {
  // Whose it is must not be reset, and one that is opened here would get none of its other segments.
  if (arrival.segment->strayed) {
    ++stack.counters.dropped_no_connection;
    return drop_packet(stack, arrival);
  }
  // On an exception path other ports are the kernel's, with what comes to connections that it opened itself.
  if (!is_listeners(stack, *arrival.segment->flow) && stack.ip.divert(*arrival.segment)) return;
  // RFC 9293 §3.10.7.2
  if (arrival.has(wire::kRst)) {
    ++stack.counters.dropped_no_connection;
    return drop_packet(stack, arrival);
  }
  if (cookie_opens(stack, arrival, hash)) return;
  if (!arrival.has(wire::kAck) && listening_on(stack, *arrival.segment->flow)) {
    if ((arrival.flags & (wire::kSyn | wire::kFin)) == wire::kSyn) return take_syn_for_listener(stack, arrival, hash, nullptr);
    // Fourth: a listener drops what is neither, and gives scans no answer. No TCP opens with SYN and FIN.
    ++stack.counters.dropped_no_ack;
    return drop_packet(stack, arrival);
  }
  ++stack.counters.dropped_no_connection;
  // RFC 9293 §3.10.7.2 has a reset for every acknowledgement that comes to a listener. One that names a cookie of ours may have overtaken
  // the segment that opens by it: a reset would end an honest client whose first segment was late or lost.
  if (!may_have_overtaken(stack, arrival)) send_reset_for(stack, *arrival.segment);
  drop_packet(stack, arrival);
}

namespace {

uint32_t half_open_window(const Stack& stack) noexcept { return std::min<uint32_t>(stack.options.receive_window_initial, 65'535); }

void challenge_half_open(Stack& stack, const HalfOpen& record, const net::Flow& flow) {
  if (!stack.challenges.take(stack.now_ms())) {
    ++stack.counters.challenge_acks_limited;
    return;
  }
  ++stack.counters.challenge_acks;
  const uint32_t timestamp = stack.now_ms() + timestamp_offset(stack, flow);
  // RFC 7323 §2.2: scaled, unlike that of the SYN-ACK before it, and by rounding down no more than that promised.
  const uint32_t shift = (record.flags & HalfOpen::kScaled) != 0 ? shift_for(stack.options.receive_window_max) : 0;
  send_bare_ack(stack, {&flow, record.iss + 1, record.irs + 1, static_cast<uint16_t>(half_open_window(stack) >> shift),
                        (record.flags & HalfOpen::kTimestamps) != 0, timestamp, record.ts_recent});
}

// The segment is in the window. False: it is dealt with.
bool admit_in_half_open(Stack& stack, uint32_t index, const Arrival& arrival) {
  const HalfOpen& record = stack.half_open[index];
  if (arrival.has(wire::kRst)) {
    // RFC 5961 §3.2: exactly at rcv_nxt; a passive open then returns to LISTEN (RFC 9293 §3.10.7.4, second).
    if (arrival.seq != record.irs + 1) {
      challenge_half_open(stack, record, *arrival.segment->flow);
      return false;
    }
    ++stack.counters.resets_in;
    stack.half_open.remove(index);
    return false;
  }
  if (arrival.has(wire::kSyn)) {
    // §3.10.7.4, fourth: it returns to LISTEN. The client has forgotten its first SYN, and the next one finds nothing in its way.
    ++stack.counters.dropped_window;
    stack.half_open.remove(index);
    return false;
  }
  if (arrival.has(wire::kAck)) return true;
  ++stack.counters.dropped_no_ack;
  return false;
}

}  // namespace

void take_in_half_open(Stack& stack, uint32_t index, const Arrival& arrival, uint32_t hash) {
  HalfOpen& record = stack.half_open[index];
  const Seq rcv_nxt = record.irs + 1;
  const auto now_ms16 = static_cast<uint16_t>(stack.now_ms() / 16);
  if (arrival.has(wire::kSyn) && !arrival.has(wire::kAck) && arrival.seq == record.irs) {
    // The SYN again: our answer was lost. Not for each of a flood of them.
    if (static_cast<uint16_t>(now_ms16 - record.answered_ms16) >= 8 || record.answered_ms16 == 0) {
      record.answered_ms16 = static_cast<uint16_t>(now_ms16 | 1);
      answer_syn(stack, *arrival.segment->flow, record);
    }
    return drop_packet(stack, arrival);
  }
  // RFC 7323 §3.2: without the timestamps that were agreed on, nothing is taken; a SYN opens something else.
  const bool exempt = arrival.has(wire::kRst) || arrival.has(wire::kSyn);
  if ((record.flags & HalfOpen::kTimestamps) != 0 && !arrival.options.has_timestamp && !exempt) {
    ++stack.counters.dropped_paws;
    return drop_packet(stack, arrival);
  }
  // RFC 9293 §3.10.7.4, first; PAWS (RFC 7323 §5.3), which a reset is exempt from (§5.2).
  const bool old = (record.flags & HalfOpen::kTimestamps) != 0 && arrival.options.has_timestamp && !arrival.has(wire::kRst) &&
                   clock_before(arrival.options.timestamp, record.ts_recent);
  if (!arrival.seq.in(rcv_nxt, half_open_window(stack)) || old) {
    if (!arrival.has(wire::kRst)) challenge_half_open(stack, record, *arrival.segment->flow);
    ++stack.counters.dropped_window;
    return drop_packet(stack, arrival);
  }
  if (!admit_in_half_open(stack, index, arrival)) return drop_packet(stack, arrival);
  Opening opening{record.agreed(), record.iss, record.irs, record.tries == 0 && arrival.options.has_timestamp, record.tries};
  // The SYN may have come before, when there was no room for a record: the client then answers the cookie, which it was given first.
  if (arrival.ack != record.iss + 1 && !read_cookie(stack, arrival, record.irs, opening)) {
    // RFC 9293 §3.10.7.4, fifth: a reset formed from the acknowledgement; the half-open connection lives on.
    ++stack.counters.dropped_bad_ack;
    send_reset_for(stack, *arrival.segment);
    return drop_packet(stack, arrival);
  }
  const uint8_t local = record.local;
  stack.half_open.remove(index);
  open_passive(stack, arrival, hash, local, opening);
}

uint32_t run_half_open(Stack& stack) {
  uint32_t done = 0;
  const uint32_t tries_max = std::min(stack.options.syn_ack_retries_max, HalfOpenTable::kMaxTries);
  while (done < kAnsweredAgainMax) {
    const uint32_t index = stack.half_open.due(stack.now_ms());
    if (index == kNone) return done;
    ++done;
    HalfOpen& record = stack.half_open[index];
    if (record.tries >= tries_max || !stack.listener.open) {
      ++stack.counters.half_open_expired;
      stack.half_open.remove(index);
      continue;
    }
    const net::Flow flow{stack.locals[record.local], record.remote, record.local_port, record.remote_port};
    if (record.tries >= kAdviceRetries) stack.ip.doubt(record.remote);
    ++stack.counters.retransmits;
    answer_syn(stack, flow, record);
    stack.half_open.put_off(index, stack.now_ms() + (2000u << record.tries));
  }
  return done;
}

}  // namespace sluice::tcp
