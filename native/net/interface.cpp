#include "net/interface.hpp"

#include <algorithm>
#include <cstring>

#include "base/assert.hpp"
#include "wire/ethernet.hpp"
#include "wire/ipv4.hpp"
#include "wire/ipv6.hpp"
#include "wire/tcp.hpp"

namespace sluice::net {

Interface::Interface(nic::Nic& nic, const InterfaceOptions& options)
    : context_(nic, options, output_), arp_(context_), discovery_(context_, output_), listeners_(context_, output_),
      icmp_(context_, output_, discovery_, listeners_),
      refusal_(context_, output_), exceptions_(context_), fragments_(context_, refusal_),
      input_(context_, arp_, icmp_, refusal_, exceptions_, fragments_) {
  output_.attach(context_, *this);
}

Interface::~Interface() {
  fragments_.clear();
  context_.neighbors.clear();
}

void Interface::attach(SegmentHandler& tcp) noexcept {
  icmp_.attach(tcp);
  input_.attach(tcp);
}

// ---- the turn ----

void Interface::start(uint64_t now_us) {
  context_.now_us = now_us;
  link_up_ = context_.nic.link_up();
  link_due_us_ = now_us + kLinkEveryUs;
  announcements_left_ = kAnnouncements;
  announce();
  flush();
}

uint32_t Interface::receive(uint64_t now_us, uint32_t budget) {
  context_.now_us = now_us;
  nic::Packet* frames[Input::kBurst];
  uint32_t total = 0;
  while (total < budget) {
    const uint32_t count = context_.nic.receive(frames, std::min(budget - total, Input::kBurst));
    if (count == 0) break;
    total += count;
    input_.receive(frames, count);
    if (count < Input::kBurst / 2) break;
  }
  if (__builtin_expect(now_us >= next_due_us(), 0)) advance();
  return total;
}

uint64_t Interface::next_due_us() const noexcept {
  return std::min({context_.neighbors.next_due_us(), fragments_.next_due_us(), listeners_.next_due_us(), announce_due_us_, link_due_us_});
}

void Interface::advance() {
  context_.neighbors.advance(context_.now_us);
  fragments_.advance();
  listeners_.advance();
  if (context_.now_us >= announce_due_us_) announce();
  if (context_.now_us >= link_due_us_) look_at_link();
  flush();
}

void Interface::look_at_link() {
  link_due_us_ = context_.now_us + kLinkEveryUs;
  const bool up = context_.nic.link_up();
  if (up && !link_up_) {
    // The other side of the link may be another one now: a switch has to learn where we are.
    announcements_left_ = kAnnouncements;
    announce();
  }
  link_up_ = up;
}

void Interface::announce() {
  announce_due_us_ = UINT64_MAX;
  if (!context_.options.answers || announcements_left_ == 0) return;
  const bool first = announcements_left_ == kAnnouncements;
  --announcements_left_;
  if (first) discovery_.set_tentative_until(context_.now_us + kProbeUs);
  for (const InterfaceAddress& entry : context_.routes.addresses()) {
    if (entry.address.is_v4()) {
      arp_.announce(entry.address);
    } else if (first) {
      discovery_.probe(entry.address);
    } else {
      discovery_.announce(entry.address);
    }
  }
  listeners_.announce(!first);
  if (announcements_left_ != 0) announce_due_us_ = context_.now_us + kAnnounceEveryUs;
}

void Interface::request(const IpAddress& target, const nic::MacAddress* known) {
  if (target.is_v4()) return arp_.request(target, known);
  discovery_.request(target, known);
}

// ---- what TCP asks for ----

uint16_t Interface::mtu(const IpAddress& remote) const noexcept {
  return context_.routes.next_hop(remote) == nullptr ? 0 : context_.mtu;
}

void Interface::doubt(const IpAddress& remote) {
  // Answers about neighbours come to one core of a device; the others are corrected by whatever comes to them.
  const IpAddress* const hop = context_.options.answers ? context_.routes.next_hop(remote) : nullptr;
  if (hop != nullptr) context_.neighbors.doubt(*hop, context_.now_us);
}

bool Interface::divert(const Segment& segment) {
  nic::Packet* const frame = segment.packet;
  return frame->l3_bytes != 0 && exceptions_.divert(ExceptionKind::kPorts, frame, frame->data - frame->l3_bytes);
}

[[gnu::flatten]] bool Interface::send(const Flow& flow, nic::Packet* packet, uint16_t header_bytes, Ecn ecn) {
  SLUICE_ASSERT(packet->length >= header_bytes);
  if ((packet->flags & nic::kPayloadSummed) != 0 && packet->next == nullptr && flow.remote.is_v4()) {
    const nic::MacAddress* const mac = output_.station_of(flow.remote);
    if (__builtin_expect(mac != nullptr && !context_.transmitter.tags(), 1)) return send_summed_v4(flow, packet, header_bytes, ecn, *mac);
  }
  return send_any(flow, packet, header_bytes, ecn);
}

// The general way.
[[gnu::noinline]] bool Interface::send_any(const Flow& flow, nic::Packet* packet, uint16_t header_bytes, Ecn ecn) {
  const uint32_t bytes = packet->next == nullptr ? packet->length : frame_bytes(packet);
  const uint32_t ip_bytes = flow.remote.is_v4() ? wire::Ipv4View::kMinBytes : wire::Ipv6View::kBytes;
  if (bytes + ip_bytes > context_.mtu) {
    context_.drop(packet, context_.counters.unsent_too_big);
    return false;
  }
  if (packet->next != nullptr && (packet = in_fewer_pieces(packet, bytes)) == nullptr) return false;
  packet->l4_bytes = static_cast<uint8_t>(header_bytes);
  prepare_checksum(flow, packet, bytes);
  IpPacket ip{.local = &flow.local, .remote = &flow.remote, .protocol = wire::kProtocolTcp};
  ip.traffic_class = static_cast<uint8_t>(ecn);
  if (!flow.remote.is_v4()) {
    // RFC 6437 §3: the same for all packets of a flow, and not to be guessed.
    ip.flow_label = static_cast<uint32_t>(siphash13(context_.options.key, &flow, sizeof flow)) & 0xfffff;
  }
  ++context_.counters.segments_out;
  return output_.send(ip, packet, bytes);
}

// What fan-outs and short messages are made of: nothing has to be asked about it, and both headers are of what is in registers.
bool Interface::send_summed_v4(const Flow& flow, nic::Packet* packet, uint16_t header_bytes, Ecn ecn, const nic::MacAddress& mac) {
  const uint32_t bytes = packet->length;
  if (__builtin_expect(bytes + wire::Ipv4View::kMinBytes > context_.mtu, 0)) {
    context_.drop(packet, context_.counters.unsent_too_big);
    return false;
  }
  wire::Checksum sum;
  wire::add_pseudo_header_v4(sum, flow.local.v4(), flow.remote.v4(), wire::kProtocolTcp, static_cast<uint16_t>(bytes));
  sum.add_header(packet->data, header_bytes);
  sum.add_raw(packet->segment_bytes);
  wire::store_checksum(packet->data + wire::TcpView::kChecksumOffset, sum.finish());
  SLUICE_ASSERT(packet->headroom() >= wire::Ipv4View::kMinBytes);
  wire::Ipv4View::write(packet->push(wire::Ipv4View::kMinBytes),
                        {.total_bytes = static_cast<uint16_t>(bytes + wire::Ipv4View::kMinBytes), .tos = static_cast<uint8_t>(ecn),
                         .protocol = wire::kProtocolTcp, .source = flow.local.v4(), .target = flow.remote.v4()});
  packet->flags = 0;
  packet->l3_bytes = wire::Ipv4View::kMinBytes;
  packet->l4_bytes = static_cast<uint8_t>(header_bytes);
  ++context_.counters.segments_out;
  return context_.transmitter.send_untagged<wire::kTypeIpv4>(packet, mac);
}

// A device that takes a frame in few pieces only gets a copy in one. Null where there is no packet for it.
nic::Packet* Interface::in_fewer_pieces(nic::Packet* packet, uint32_t bytes) {
  if (pieces_of(packet) <= context_.nic.capabilities().max_pieces) return packet;
  nic::Packet* const whole = context_.allocate(bytes);
  if (whole != nullptr) {
    uint8_t* at = whole->data;
    for (const nic::Packet* piece = packet; piece != nullptr; piece = piece->next) {
      std::memcpy(at, piece->data, piece->length);
      at += piece->length;
    }
  }
  pool().unref_frame(packet);
  return whole;
}

void Interface::prepare_checksum(const Flow& flow, nic::Packet* packet, uint32_t bytes) const noexcept {
  const nic::NicCapabilities& has = context_.nic.capabilities();
  // What many segments end in was summed once. In front of it there are headers only, which are of an even length.
  const nic::Packet* const body = packet->next;
  const bool summed = body != nullptr && (body->flags & nic::kSummed) != 0 && body->next == nullptr && packet->length % 2 == 0;
  const bool payload_summed = (packet->flags & nic::kPayloadSummed) != 0;
  // Asking for it costs a driver more than a short sum does: it reads the headers again and tells the device where to add.
  const uint32_t unsummed = payload_summed ? packet->l4_bytes : summed ? packet->length : bytes;
  const bool by_device = has.tx_l4_checksum && unsummed > kSummedBelow;
  packet->flags = by_device ? nic::kTxL4Checksum : 0;
  wire::Checksum sum;
  if (flow.remote.is_v4()) {
    wire::add_pseudo_header_v4(sum, flow.local.v4(), flow.remote.v4(), wire::kProtocolTcp, static_cast<uint16_t>(bytes));
  } else {
    wire::add_pseudo_header_v6(sum, flow.local.bytes, flow.remote.bytes, wire::kProtocolTcp, bytes);
  }
  uint8_t* const field = packet->data + wire::TcpView::kChecksumOffset;
  if (by_device) return wire::store_checksum(field, sum.raw());
  const uint32_t header_bytes = packet->l4_bytes;
  sum.add_header(packet->data, header_bytes);
  if (payload_summed) {
    sum.add_raw(packet->segment_bytes);
  } else if (packet->length != header_bytes) {
    sum.add(packet->data + header_bytes, packet->length - header_bytes);
  }
  if (summed) {
    sum.add_raw(static_cast<uint16_t>(body->scratch[0]));
  } else {
    for (const nic::Packet* piece = body; piece != nullptr; piece = piece->next) sum.add(piece->data, piece->length);
  }
  wire::store_checksum(field, sum.finish());
}

}  // namespace sluice::net
