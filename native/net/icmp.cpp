#include "net/icmp.hpp"

#include "net/special_addresses.hpp"
#include "wire/icmp.hpp"
#include "wire/icmpv6.hpp"
#include "wire/ipv4.hpp"
#include "wire/ipv6.hpp"

namespace sluice::net {

namespace {

using Kind = IcmpError::Kind;

// Ports and sequence number: what every error quotes at least (RFC 792).
constexpr uint32_t kQuotedTcpBytes = 8;
// RFC 8201 §4: a smaller one cannot be true, and believing it is an attack.
constexpr uint32_t kLeastMtuV6 = 1280;

void sum_pieces(wire::Checksum& sum, const nic::Packet* frame) noexcept {
  for (; frame != nullptr; frame = frame->next) sum.add(frame->data, frame->length);
}

// RFC 1122 §4.2.3.9: which errors end a connection attempt and which are only noted.
bool kind_of_v4(const wire::IcmpView& message, Kind& kind) noexcept {
  if (message.type() == wire::icmp::kUnreachable) {
    const bool hard = message.code() == wire::icmp::kCodeProtocol || message.code() == wire::icmp::kCodePort;
    kind = message.code() == wire::icmp::kCodeTooBig ? Kind::kTooBig : hard ? Kind::kUnreachableHard : Kind::kUnreachableSoft;
    return true;
  }
  kind = Kind::kUnreachableSoft;
  return message.type() == wire::icmp::kTimeExceeded || message.type() == wire::icmp::kParameterProblem;
}

bool kind_of_v6(const wire::IcmpView& message, Kind& kind) noexcept {
  switch (message.type()) {
    case wire::icmpv6::kUnreachable:
      // RFC 5461 §2.1: codes 1 (prohibited) and 4 (port) are hard.
      kind = message.code() == 1 || message.code() == 4 ? Kind::kUnreachableHard : Kind::kUnreachableSoft;
      return true;
    case wire::icmpv6::kTooBig:
      kind = Kind::kTooBig;
      return message.mtu_v6() >= kLeastMtuV6;
    case wire::icmpv6::kTimeExceeded:
    case wire::icmpv6::kParameterProblem:
      kind = Kind::kUnreachableSoft;
      return true;
    default:
      return false;
  }
}

}  // namespace

void Icmp::receive_v4(nic::Packet* frame, uint32_t bytes, const Addressing& addressing) {
  const auto message = wire::IcmpView::parse(frame->data, frame->length);
  if (!message) return context_.drop(frame, context_.counters.dropped_icmp);
  wire::Checksum sum;
  sum_pieces(sum, frame);
  if (!sum.good()) return context_.drop(frame, context_.counters.dropped_checksum);
  // RFC 1122 §3.2.2.6 lets broadcast echoes go unanswered, which is what keeps them from being amplified.
  if (addressing.for_group) return context_.drop(frame, context_.counters.dropped_icmp);
  if (message->type() == wire::icmp::kEcho) return answer_echo(frame, bytes, addressing, wire::icmp::kEchoReply);
  take_error_v4(frame);
  context_.nic.pool().unref_frame(frame);
}

void Icmp::receive_v6(nic::Packet* frame, uint32_t bytes, const Addressing& addressing) {
  const auto message = wire::IcmpView::parse(frame->data, frame->length);
  if (!message) return context_.drop(frame, context_.counters.dropped_icmp);
  wire::Checksum sum;
  wire::add_pseudo_header_v6(sum, addressing.source.bytes, addressing.target.bytes, wire::kProtocolIcmpv6, bytes);
  sum_pieces(sum, frame);
  if (!sum.good()) return context_.drop(frame, context_.counters.dropped_checksum);
  const uint8_t type = message->type();
  // RFC 4291 §2.5.2: nothing is sent to the unspecified address.
  if (type == wire::icmpv6::kEcho && !addressing.for_group && addressing.source != kUnspecifiedV6) {
    return answer_echo(frame, bytes, addressing, wire::icmpv6::kEchoReply);
  }
  if (type == wire::icmpv6::kNeighborSolicitation || type == wire::icmpv6::kNeighborAdvertisement) {
    discovery_.receive({&addressing.source, &addressing.target, frame->data, frame->length, addressing.hops});
  } else if (type == wire::icmpv6::kListenerQuery) {
    listeners_.receive({&addressing.source, &addressing.target, frame->data, bytes, addressing.hops});
  } else if (!addressing.for_group) {
    take_error_v6(frame);
  }
  context_.nic.pool().unref_frame(frame);
}

void Icmp::take_error_v4(const nic::Packet* frame) {
  const auto message = wire::IcmpView::parse(frame->data, frame->length);
  Kind kind{};
  const auto quoted = wire::Ipv4View::parse_quoted(message->body(), message->body_bytes());
  const bool usable = kind_of_v4(*message, kind) && quoted && quoted->protocol() == wire::kProtocolTcp &&
                      (load_be16(message->body() + 6) & 0x1fff) == 0 &&
                      message->body_bytes() >= quoted->header_bytes() + kQuotedTcpBytes;
  if (!usable) {
    ++context_.counters.dropped_icmp;
    return;
  }
  tell(kind, IpAddress::from_v4(quoted->source()), IpAddress::from_v4(quoted->target()), quoted->payload(),
       kind == Kind::kTooBig ? message->mtu_v4() : 0);
}

void Icmp::take_error_v6(const nic::Packet* frame) {
  const auto message = wire::IcmpView::parse(frame->data, frame->length);
  Kind kind{};
  const auto quoted = wire::Ipv6View::parse_quoted(message->body(), message->body_bytes());
  // We send no extension headers, so a quote with some is not of ours.
  const bool usable = kind_of_v6(*message, kind) && quoted && quoted->next_header() == wire::kProtocolTcp &&
                      message->body_bytes() >= wire::Ipv6View::kBytes + kQuotedTcpBytes;
  if (!usable) {
    ++context_.counters.dropped_icmp;
    return;
  }
  tell(kind, ip_v6(quoted->source()), ip_v6(quoted->target()), quoted->payload(), kind == Kind::kTooBig ? message->mtu_v6() : 0);
}

void Icmp::tell(Kind kind, const IpAddress& local, const IpAddress& remote, const uint8_t* tcp, uint32_t mtu) {
  // RFC 5927 §4: what was not sent from here cannot have met an error.
  if (!context_.routes.is_local(local) || tcp_ == nullptr) {
    ++context_.counters.dropped_icmp;
    return;
  }
  ++context_.counters.icmp_errors_in;
  const Flow flow{local, remote, load_be16(tcp), load_be16(tcp + 2)};
  tcp_->on_icmp_error({kind, &flow, load_be32(tcp + 4), mtu});
}

// RFC 1122 §3.2.2.6, RFC 4443 §4.2: the same data from the address that was asked. The frame itself is sent back.
void Icmp::answer_echo(nic::Packet* frame, uint32_t bytes, const Addressing& addressing, uint8_t reply_type) {
  ++context_.counters.echo_requests;
  const bool v4 = addressing.target.is_v4();
  const uint32_t header = v4 ? wire::Ipv4View::kMinBytes : wire::Ipv6View::kBytes;
  uint16_t before;
  uint16_t after;
  __builtin_memcpy(&before, frame->data, sizeof before);
  frame->data[0] = reply_type;
  __builtin_memcpy(&after, frame->data, sizeof after);
  // The pseudo-header of ICMPv6 stays the same sum with its addresses swapped.
  wire::store_checksum(frame->data + 2, wire::checksum_update(wire::load_checksum(frame->data + 2), before, after));
  frame->flags = 0;
  IpPacket ip{.local = &addressing.target, .remote = &addressing.source, .protocol = v4 ? wire::kProtocolIcmp : wire::kProtocolIcmpv6};
  // The answer goes the way that was asked about: with the question's DSCP (RFC 2474 §3), but no congestion mark.
  constexpr uint8_t kDscpBits = 0xfc;
  ip.traffic_class = addressing.traffic_class & kDscpBits;
  // RFC 1122 §3.2.2.6, RFC 4443 §4.2: all data goes back, if need be in as many packets as it came in.
  if (bytes + header <= context_.mtu && pieces_of(frame) <= context_.nic.capabilities().max_pieces) {
    output_.send(ip, frame, bytes);
  } else {
    output_.send_in_fragments(ip, frame, bytes);
  }
}

}  // namespace sluice::net
