#include "tcp/transmit.hpp"

#include <algorithm>
#include <cstring>

#include "tcp/acknowledge.hpp"
#include "tcp/reassembly.hpp"
#include "tcp/window.hpp"
#include "wire/tcp.hpp"
#include "wire/tcp_options.hpp"

namespace sluice::tcp {

namespace {

nic::Packet* control_packet(Stack& stack) noexcept {
  nic::Packet* const packet = stack.packets.allocate(0);
  if (packet == nullptr) ++stack.counters.send_no_packet;
  return packet;
}

bool hand_over(Stack& stack, const net::Flow& flow, nic::Packet* packet, uint32_t header, net::Ecn ecn) {
  ++stack.counters.segments_out;
  const bool sent = stack.ip.send(flow, packet, static_cast<uint16_t>(header), ecn);
  if (!sent) ++stack.counters.send_failed;
  return sent;
}

// Writes options behind a header that stands at `at` with twenty bytes; returns the length of both.
uint32_t write_options(const Stack& stack, const Tcb& row, uint8_t* at, const wire::SackBlock* blocks, uint32_t count) noexcept {
  wire::TcpOptionWriter options(at + wire::TcpView::kMinBytes);
  if (row.has(kTimestamps)) options.timestamp(stack.now_ms() + row.ts_offset, row.ts_recent);
  if (count != 0) options.sacks(blocks, count);
  return wire::TcpView::kMinBytes + options.bytes();
}

uint32_t options_bytes(const Tcb& row, uint32_t blocks) noexcept {
  return (row.has(kTimestamps) ? kTimestampBytes : 0) + (blocks == 0 ? 0 : 4 + 8 * blocks);
}

bool reports_blocks(const Stack& stack, const Tcb& row) noexcept {
  const Transfer* const transfer = stack.transfer_of(row);
  return row.has(kSackOk) && transfer != nullptr && transfer->block_count != 0;
}

// Inlined by force: where nothing is selectively acknowledged, which is nearly always, little of it is left.
[[gnu::always_inline]] inline bool emit(Stack& stack, Tcb& row, nic::Packet* packet, const wire::TcpView::Fields& given, net::Ecn ecn,
                                        const wire::SackBlock* blocks, uint32_t count) {
  wire::TcpView::Fields fields = given;
  const uint32_t header = wire::TcpView::kMinBytes + options_bytes(row, count);
  uint8_t* const at = packet->push(static_cast<uint16_t>(header));
  // First: ports that were read before it would be put aside meanwhile, as four bytes, and GCC gets them back with a load of eight, which
  // waits until all stores before it are in the cache.
  fields.window = advertise_window(stack, row);
  fields.source_port = row.local_port;
  fields.target_port = row.remote_port;
  fields.ack = row.rcv_nxt.raw;
  fields.header_bytes = static_cast<uint8_t>(header);
  if (row.has(kEchoCongestion)) fields.flags |= wire::kEce;
  wire::TcpView::write(at, fields);
  write_options(stack, row, at, blocks, count);
  // A full segment that was cut before there was anything to report leaves the report owed.
  const uint32_t unreported = count == 0 && reports_blocks(stack, row) ? row.flags & (kAckNow | kAckHeld) : 0;
  acknowledgement_sent(row);
  row.flags |= unreported;
  row.last_send_ms = stack.now_ms();
  return hand_over(stack, stack.flow_of(row), packet, header, ecn);
}

// A segment of twenty bytes and perhaps timestamps for what has no row.
struct Bare {
  Seq seq;
  Seq ack;
  uint8_t flags;
  uint16_t window;
};
bool send_bare(Stack& stack, const net::Flow& flow, const Bare& bare, const uint32_t* timestamps) {
  nic::Packet* const packet = control_packet(stack);
  if (packet == nullptr) return false;
  const uint32_t header = wire::TcpView::kMinBytes + (timestamps != nullptr ? kTimestampBytes : 0);
  uint8_t* const at = packet->push(static_cast<uint16_t>(header));
  wire::TcpView::write(at, {flow.local_port, flow.remote_port, bare.seq.raw, bare.ack.raw, bare.window, static_cast<uint8_t>(header),
                            bare.flags});
  if (timestamps != nullptr) wire::TcpOptionWriter(at + wire::TcpView::kMinBytes).timestamp(timestamps[0], timestamps[1]);
  return hand_over(stack, flow, packet, header, net::Ecn::kNotCapable);
}

}  // namespace

uint32_t interface_mss(const Stack& stack, const net::IpAddress& remote) noexcept {
  const uint32_t mtu = stack.ip.mtu(remote);
  const uint32_t headers = (remote.is_v4() ? 20u : 40u) + wire::TcpView::kMinBytes;
  if (mtu <= headers + 64) return 0;
  const uint32_t mss = std::min<uint32_t>(mtu - headers, 65'495);
  return stack.options.mss_max != 0 ? std::min<uint32_t>(mss, stack.options.mss_max) : mss;
}

uint32_t timestamp_offset(const Stack& stack, const net::Flow& flow) noexcept {
  uint8_t bytes[32];
  std::memcpy(bytes, flow.remote.bytes, 16);
  std::memcpy(bytes + 16, flow.local.bytes, 16);
  return static_cast<uint32_t>(siphash24(stack.secrets.timestamps, bytes, sizeof bytes));
}

bool send_segment(Stack& stack, Tcb& row, nic::Packet* packet, Seq seq, uint8_t flags, net::Ecn ecn) {
  if (!row.has_transfer()) return emit(stack, row, packet, {0, 0, seq.raw, 0, 0, 0, flags}, ecn, nullptr, 0);
  wire::SackBlock blocks[wire::TcpOptions::kMaxSacks];
  uint32_t count = 0;
  // A full segment has no room for them beside its payload: they go with an acknowledgement of their own (RFC 6691 §2).
  if (row.has(kSackOk) && stack.transfers[row.transfer].block_count != 0) {
    const uint32_t payload = packet->length + (packet->next == nullptr ? 0u : packet->next->length);
    const uint32_t room = row.mss > payload ? row.mss - payload : 0;
    if (room >= 12) count = sack_blocks(stack, row, blocks, std::min<uint32_t>((room - 4) / 8, row.has(kTimestamps) ? 3 : 4));
  }
  return emit(stack, row, packet, {0, 0, seq.raw, 0, 0, 0, flags}, ecn, blocks, count);
}

void send_ack(Stack& stack, Tcb& row, const wire::SackBlock* duplicate) {
  nic::Packet* const packet = control_packet(stack);
  if (packet == nullptr) return;
  wire::SackBlock blocks[wire::TcpOptions::kMaxSacks];
  uint32_t count = 0;
  if (row.has(kSackOk)) {
    const uint32_t most = row.has(kTimestamps) ? 3 : 4;
    if (duplicate != nullptr) {
      blocks[count++] = *duplicate;
      ++stack.counters.dsacks_out;
    }
    count += sack_blocks(stack, row, blocks + count, most - count);
  }
  ++stack.counters.acks_pure;
  // RFC 3168 §6.1.4: pure acknowledgements are not ECN-capable.
  emit(stack, row, packet, {0, 0, row.snd_nxt.raw, 0, 0, 0, wire::kAck}, net::Ecn::kNotCapable, blocks, count);
}

void send_probe(Stack& stack, Tcb& row, Seq seq) {
  nic::Packet* const packet = control_packet(stack);
  if (packet == nullptr) return;
  emit(stack, row, packet, {0, 0, seq.raw, 0, 0, 0, wire::kAck}, net::Ecn::kNotCapable, nullptr, 0);
}

void send_reset(Stack& stack, Tcb& row) {
  nic::Packet* const packet = control_packet(stack);
  if (packet == nullptr) return;
  ++stack.counters.resets_out;
  // RFC 7323 §3.2: with timestamps, as every other segment.
  emit(stack, row, packet, {0, 0, row.snd_nxt.raw, 0, 0, 0, wire::kRst | wire::kAck}, net::Ecn::kNotCapable, nullptr, 0);
}

void send_fin(Stack& stack, Tcb& row) {
  nic::Packet* const packet = control_packet(stack);
  if (packet == nullptr) return;
  emit(stack, row, packet, {0, 0, row.snd_una.raw, 0, 0, 0, wire::kFin | wire::kAck | wire::kPsh}, net::Ecn::kNotCapable, nullptr, 0);
}

bool send_syn(Stack& stack, Tcb& row, uint8_t flags) {
  nic::Packet* const packet = control_packet(stack);
  if (packet == nullptr) return false;
  const bool answer = (flags & wire::kAck) != 0;
  uint8_t buffer[40];
  wire::TcpOptionWriter options(buffer);
  options.mss(static_cast<uint16_t>(interface_mss(stack, row.remote)));
  // An answer holds what the peer offered too (RFC 7323 §2.2 and §3.2, RFC 2018 §2).
  if (row.has(kSackOk)) options.sack_permitted();
  if (row.has(kTimestamps)) options.timestamp(stack.now_ms() + row.ts_offset, answer ? row.ts_recent : 0);
  if (row.has(kWindowScaled)) options.window_shift(static_cast<uint8_t>(row.receive_shift()));
  const uint32_t header = wire::TcpView::kMinBytes + options.bytes();
  uint8_t* const at = packet->push(static_cast<uint16_t>(header));
  // RFC 7323 §2.2: the window of a SYN is never scaled.
  const auto window = static_cast<uint16_t>(std::min<uint32_t>(stack.options.receive_window_initial, 65'535));
  wire::TcpView::write(at, {row.local_port, row.remote_port, row.snd_una.raw, answer ? row.rcv_nxt.raw : 0, window,
                            static_cast<uint8_t>(header), flags});
  std::memcpy(at + wire::TcpView::kMinBytes, buffer, options.bytes());
  if (answer) {
    row.rcv_edge = later(row.rcv_edge, row.rcv_nxt + window);
    acknowledgement_sent(row);
  }
  row.last_send_ms = stack.now_ms();
  return hand_over(stack, stack.flow_of(row), packet, header, net::Ecn::kNotCapable);
}

bool send_syn_ack(Stack& stack, const SynAck& answer) {
  nic::Packet* const packet = control_packet(stack);
  if (packet == nullptr) return false;
  const Negotiated& agreed = answer.agreed;
  uint8_t buffer[40];
  wire::TcpOptionWriter options(buffer);
  options.mss(static_cast<uint16_t>(interface_mss(stack, answer.flow->remote)));
  if (agreed.sack) options.sack_permitted();
  if (agreed.timestamps) options.timestamp(answer.timestamp, agreed.ts_recent);
  if (agreed.scaled) options.window_shift(shift_for(stack.options.receive_window_max));
  const uint32_t header = wire::TcpView::kMinBytes + options.bytes();
  uint8_t* const at = packet->push(static_cast<uint16_t>(header));
  const auto window = static_cast<uint16_t>(std::min<uint32_t>(stack.options.receive_window_initial, 65'535));
  // RFC 3168 §6.1.1: ECE alone agrees to ECN.
  const uint8_t flags = static_cast<uint8_t>(wire::kSyn | wire::kAck | (agreed.ecn ? wire::kEce : 0));
  wire::TcpView::write(at, {answer.flow->local_port, answer.flow->remote_port, answer.iss.raw, (answer.irs + 1).raw, window,
                            static_cast<uint8_t>(header), flags});
  std::memcpy(at + wire::TcpView::kMinBytes, buffer, options.bytes());
  return hand_over(stack, *answer.flow, packet, header, net::Ecn::kNotCapable);
}

void send_reset_for(Stack& stack, const net::Segment& segment) {
  const auto view = wire::TcpView::parse(segment.packet->data, segment.header_bytes);
  if (!view || (view->flags() & wire::kRst) != 0) return;
  if (!stack.resets.take(stack.now_ms())) {
    ++stack.counters.resets_limited;
    return;
  }
  ++stack.counters.resets_out;
  // RFC 9293 §3.10.7.1
  if ((view->flags() & wire::kAck) != 0) {
    send_bare(stack, *segment.flow, {{view->ack()}, {0}, wire::kRst, 0}, nullptr);
    return;
  }
  const uint32_t length = segment.payload_bytes + ((view->flags() & wire::kSyn) != 0) + ((view->flags() & wire::kFin) != 0);
  send_bare(stack, *segment.flow, {{0}, {view->seq() + length}, wire::kRst | wire::kAck, 0}, nullptr);
}

void send_bare_ack(Stack& stack, const BareAck& ack) {
  const uint32_t timestamps[2] = {ack.timestamp, ack.timestamp_echo};
  send_bare(stack, *ack.flow, {ack.seq, ack.ack, wire::kAck, ack.window}, ack.timestamps ? timestamps : nullptr);
}

}  // namespace sluice::tcp
