#include "tcp/connect.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "tcp/acknowledge.hpp"
#include "tcp/closing.hpp"
#include "tcp/congestion.hpp"
#include "tcp/receive.hpp"
#include "tcp/retransmit_timer.hpp"
#include "tcp/rtt.hpp"
#include "tcp/send.hpp"
#include "tcp/transmit.hpp"
#include "tcp/window.hpp"

namespace sluice::tcp {

namespace {

uint64_t flow_hash(const SipKey& key, const net::Flow& flow) noexcept {
  uint8_t bytes[36];
  std::memcpy(bytes, flow.remote.bytes, 16);
  std::memcpy(bytes + 16, flow.local.bytes, 16);
  std::memcpy(bytes + 32, &flow.local_port, 2);
  std::memcpy(bytes + 34, &flow.remote_port, 2);
  return siphash24(key, bytes, sizeof bytes);
}

bool flow_known(const Stack& stack, const net::Flow& flow) noexcept {
  FlowTable::Cursor cursor(stack.flows, stack.flows.hash(flow));
  for (FlowRef ref = cursor.next(); !ref.empty(); ref = cursor.next()) {
    if (ref.kind() == FlowKind::kTcb && stack.is(stack.rows[ref.index()], flow)) return true;
    if (ref.kind() == FlowKind::kHalfOpen && stack.half_open.is(ref.index(), flow)) return true;
    if (ref.kind() == FlowKind::kTimeWait && stack.time_wait.is(ref.index(), flow)) return true;
  }
  return false;
}

// RFC 6056 §3.3.3: from a point in the range that only the key tells, for each pair of addresses another.
bool choose_port(Stack& stack, net::Flow& flow) noexcept {
  const uint32_t range = static_cast<uint32_t>(stack.options.port_last) - stack.options.port_first + 1;
  flow.local_port = 0;
  const auto offset = static_cast<uint32_t>(flow_hash(stack.secrets.ports, flow)) + static_cast<uint32_t>(stack.counters.active_opens);
  for (uint32_t i = 0; i < range; ++i) {
    flow.local_port = static_cast<uint16_t>(stack.options.port_first + (offset + i) % range);
    if (!flow_known(stack, flow) && stack.reactor.reaches_us(flow)) return true;
  }
  return false;
}

}  // namespace

Seq initial_sequence(const Stack& stack, const net::Flow& flow) noexcept {
  return {static_cast<uint32_t>(stack.now_us / 4) + static_cast<uint32_t>(flow_hash(stack.secrets.sequence, flow))};
}

Negotiated negotiate(const Stack& stack, const Arrival& arrival) noexcept {
  const wire::TcpOptions& offered = arrival.options;
  Negotiated agreed;
  agreed.timestamps = stack.options.timestamps && offered.has_timestamp;
  agreed.ts_recent = offered.timestamp;
  agreed.sack = stack.options.sack && offered.sack_permitted;
  agreed.scaled = offered.has_window_shift;
  agreed.send_shift = std::min<uint8_t>(offered.window_shift, 14);  // RFC 7323 §2.3
  const bool v4 = arrival.segment->flow->remote.is_v4();
  agreed.peer_mss = offered.mss != 0 ? offered.mss : (v4 ? 536 : 1220);  // RFC 9293 §3.7.1
  // A peer must not make us send a packet for each few bytes (CVE-2019-11479).
  agreed.peer_mss = std::max<uint16_t>(agreed.peer_mss, kLeastMss);
  return agreed;
}

uint16_t largest_segment(const Stack& stack, const net::IpAddress& remote, uint16_t peer_mss, bool timestamps) noexcept {
  // A segment is sent from one packet; what comes may lie in several, so the MSS that the peer is told is the interface's.
  const uint32_t own = std::max(std::min(interface_mss(stack, remote), stack.packets.room()), uint32_t{kLeastMss});
  return static_cast<uint16_t>(std::min<uint32_t>(peer_mss, own) - (timestamps ? 12 : 0));
}

void set_up(Stack& stack, Tcb& row, const Negotiated& agreed, Seq iss, Seq irs, uint32_t window) {
  row.snd_una = iss + 1;
  row.snd_nxt = iss + 1;
  row.rcv_nxt = irs + 1;
  row.last_ack_sent = row.rcv_nxt;
  const uint32_t initial = std::min<uint32_t>(stack.options.receive_window_initial, 65'535);
  row.rcv_edge = row.rcv_nxt + initial;
  row.grow_at = row.rcv_nxt + initial;
  row.snd_wnd = window;
  row.snd_wnd_max = window;
  row.snd_wl1 = irs;
  row.snd_wl2 = iss + 1;
  row.flags &= ~static_cast<uint32_t>(kTimestamps | kSackOk | kWindowScaled | kEcnOk);
  row.flags |= (agreed.timestamps ? kTimestamps : 0u) | (agreed.sack ? kSackOk : 0u) | (agreed.scaled ? kWindowScaled : 0u) |
               (agreed.ecn ? kEcnOk : 0u);
  const uint8_t own_shift = agreed.scaled ? shift_for(stack.options.receive_window_max) : 0;
  row.shifts = static_cast<uint8_t>((agreed.scaled ? agreed.send_shift : 0) << 4 | own_shift);
  row.ts_recent = agreed.ts_recent;
  row.ts_recent_age = age_now(stack.now_ms());
  row.ts_offset = timestamp_offset(stack, stack.flow_of(row));
  row.peer_mss = agreed.peer_mss;
  row.mss = largest_segment(stack, row.remote, agreed.peer_mss, agreed.timestamps);
  row.rcv_mss = 536;
  row.cwnd = initial_window(row.mss);
  row.ssthresh = kNoThreshold;
  row.quick_acks = kQuickAcks;
  row.last_receive_ms = stack.now_ms();
  row.last_send_ms = stack.now_ms();
  if (agreed.ecn) ++stack.counters.ecn_negotiated;
}

bool open_active(Stack& stack, StreamId id, net::Flow flow, std::string& error) {
  if (id >= stack.stream_rows.size() || stack.stream_rows[id] != 0) {
    error = "the stream id is in use or beyond the driver's capacity";
    return false;
  }
  if (!stack.ip.is_local(flow.local)) {
    error = "the local address is none of this interface's";
    return false;
  }
  if (interface_mss(stack, flow.remote) == 0) {
    error = "there is no route to the address";
    return false;
  }
  if (flow.local_port == 0 ? !choose_port(stack, flow) : flow_known(stack, flow)) {
    error = "no local port is free for this address: close connections or wait for TIME-WAIT to end";
    return false;
  }
  const uint8_t local = stack.locals.intern(flow.local);
  Tcb* const row = local == LocalAddresses::kUnknown ? nullptr : open_row(stack, flow, local, stack.flows.hash(flow));
  if (row == nullptr) {
    error = "all connections that were reserved are in use: raise the capacity";
    return false;
  }
  Negotiated offered;
  offered.timestamps = stack.options.timestamps;
  offered.sack = stack.options.sack;
  offered.scaled = true;
  set_up(stack, *row, offered, initial_sequence(stack, flow), {0}, 0);
  row->snd_una = row->snd_una - 1;
  row->state = State::kSynSent;
  row->set(kActiveOpen);
  Transfer* const transfer = attach_transfer(stack, *row);
  if (transfer == nullptr) {
    close_row(stack, *row);
    error = "all transfers that were reserved are in use: raise active_max";
    return false;
  }
  bind_stream(stack, *row, id);
  ++stack.counters.active_opens;
  // RFC 3168 §6.1.1: ECE and CWR offer ECN.
  send_syn(stack, *row, static_cast<uint8_t>(wire::kSyn | (stack.options.ecn ? wire::kEce | wire::kCwr : 0)));
  stack.timers.set(row->transfer, TimerKind::kSyn, stack.now_ms() + 1000);
  return true;
}

void syn_timeout(Stack& stack, Tcb& row, Transfer& transfer) {
  if (transfer.backoff >= stack.options.syn_retries_max) {
    ++stack.counters.open_failures;
    ++stack.counters.timeouts;
    return fail_row(stack, row, ETIMEDOUT);
  }
  if (transfer.backoff >= kAdviceRetries) stack.ip.doubt(row.remote);
  ++transfer.backoff;
  ++stack.counters.retransmits;
  row.count_retransmit();
  // RFC 3168 §6.1.1.1: without the offer, lest a middlebox drops it for that.
  const bool answer = row.state == State::kSynReceived;
  send_syn(stack, row, static_cast<uint8_t>(wire::kSyn | (answer ? wire::kAck : 0)));
  stack.timers.set(row.transfer, TimerKind::kSyn, stack.now_ms() + std::min(1000u << transfer.backoff, stack.options.rto_max_ms));
}

void start_after_lost_syn(Tcb& row, uint32_t tries) noexcept {
  constexpr uint32_t kFallbackUs = 3'000'000;
  if (tries > 1) row.cwnd = row.mss;
  if (row.srtt_us8 == 0) row.rttvar_us4 = kFallbackUs;
}

void become_established(Stack& stack, Tcb& row) {
  Transfer* const transfer = stack.transfer_of(row);
  const bool was_queued = row.has(kFinQueued);
  row.snd_una = row.snd_nxt;
  row.state = was_queued ? State::kFinWait1 : State::kEstablished;
  if (transfer != nullptr) {
    if (transfer->backoff != 0) start_after_lost_syn(row, transfer->backoff);
    transfer->backoff = 0;
    stack.timers.cancel(row.transfer);
  }
  if (row.stream != kNoStream && stack.connect_sink != nullptr) stack.connect_sink->on_connect(row.stream);
  if (!row.has(kDying)) push_out(stack, row);
}

namespace {

void take_syn(Stack& stack, Tcb& row, const Arrival& arrival) {
  Negotiated agreed = negotiate(stack, arrival);
  const bool answered = arrival.has(wire::kAck);
  // RFC 3168 §6.1.1: an answer with ECE and without CWR agrees; a SYN with both offers.
  const uint8_t marks = arrival.flags & (wire::kEce | wire::kCwr);
  agreed.ecn = stack.options.ecn && marks == (answered ? wire::kEce : wire::kEce | wire::kCwr);
  const Seq iss = row.snd_una;
  const bool echoed = answered && agreed.timestamps;
  set_up(stack, row, agreed, iss, arrival.seq, arrival.window);
  if (echoed) {
    const uint32_t rtt_ms = stack.now_ms() + row.ts_offset - arrival.options.timestamp_echo;
    if (rtt_ms < 60'000) update_rtt(row, std::max(rtt_ms, 1u) * 1000);
  }
  row.set(kActiveOpen);
  if (answered) return;
  row.snd_una = iss;
  row.state = State::kSynReceived;
  send_syn(stack, row, static_cast<uint8_t>(wire::kSyn | wire::kAck | (agreed.ecn ? wire::kEce : 0)));
  stack.timers.set(row.transfer, TimerKind::kSyn, stack.now_ms() + 1000);
}

}  // namespace

void take_in_syn_sent(Stack& stack, Tcb& row, const Arrival& arrival) {
  const net::Segment& segment = *arrival.segment;
  Text text{segment.packet, arrival.seq + 1, segment.payload_bytes};
  const bool acknowledges = arrival.has(wire::kAck);
  // First: an acknowledgement of something that was never sent.
  const bool acceptable = acknowledges && row.snd_una < arrival.ack && arrival.ack <= row.snd_nxt;
  if (acknowledges && !acceptable) {
    send_reset_for(stack, segment);
    return drop(stack, text);
  }
  // Second
  if (arrival.has(wire::kRst)) {
    drop(stack, text);
    if (!acceptable) return;
    ++stack.counters.resets_in;
    ++stack.counters.open_failures;
    return fail_row(stack, row, ECONNREFUSED);
  }
  // Fifth
  if (!arrival.has(wire::kSyn)) return drop(stack, text);
  take_syn(stack, row, arrival);
  if (!acknowledges) return drop(stack, text);
  become_established(stack, row);
  if (row.has(kDying)) return drop(stack, text);
  owe_ack_now(stack, row);
  text.frame->pull(segment.header_bytes);
  if (text.bytes == 0 && !arrival.has(wire::kFin)) return drop(stack, text);
  receive_text(stack, row, text, arrival.has(wire::kFin));
}

}  // namespace sluice::tcp
