#include "net/input.hpp"

#include <algorithm>
#include <cstring>

#include "base/assert.hpp"
#include "net/special_addresses.hpp"
#include "wire/arp.hpp"
#include "wire/ethernet.hpp"
#include "wire/icmp.hpp"
#include "wire/icmpv6.hpp"
#include "wire/ipv4.hpp"
#include "wire/ipv6.hpp"
#include "wire/ipv6_upper.hpp"
#include "wire/tcp.hpp"
#include "wire/udp.hpp"

namespace sluice::net {

namespace {

constexpr uint16_t kVlanIdBits = 0x0fff;

void add_pseudo_header(wire::Checksum& sum, uint32_t bytes, uint8_t protocol, const Addressing& addressing) noexcept {
  if (addressing.target.is_v4()) {
    wire::add_pseudo_header_v4(sum, addressing.source.v4(), addressing.target.v4(), protocol, static_cast<uint16_t>(bytes));
  } else {
    wire::add_pseudo_header_v6(sum, addressing.source.bytes, addressing.target.bytes, protocol, bytes);
  }
}

uint64_t address_word(const uint8_t* four) noexcept {
  uint32_t word;
  std::memcpy(&word, four, sizeof word);
  return word;
}

}  // namespace

void Input::receive(nic::Packet** frames, uint32_t count) {
  SLUICE_ASSERT(count <= kBurst);
  context_.counters.frames_in += count;
  for (uint32_t i = 0; i < count; ++i) {
    // The next frame's first lines come while this one is looked at.
    if (i + 1 < count) __builtin_prefetch(frames[i + 1]->data);
    if (!take_plain(frames[i])) take(frames[i]);
  }
  if (count_ == 0) return;
  context_.counters.segments_in += count_;
  const uint32_t segments = count_;
  count_ = 0;
  tcp_->on_segments(segments_, segments);
}

// Nearly every frame: one piece, a segment that the device has verified, to the address that the last one was for, from behind a router.
// False for anything else, and for what is wrong in any way, which take() then looks at layer by layer; nothing was done with it.
bool Input::take_plain(nic::Packet* frame) {
  constexpr uint16_t kInFront = wire::EthernetView::kBytes + wire::Ipv4View::kMinBytes;
  constexpr uint32_t kLeast = kInFront + wire::TcpView::kMinBytes;
  constexpr uint8_t kVerified = nic::kRxL4ChecksumGood | nic::kRxChecksumBad;
  if (frame->length < kLeast || frame->next != nullptr || (frame->flags & kVerified) != nic::kRxL4ChecksumGood) return false;
  uint8_t* const data = frame->data;
  const auto ethernet = wire::EthernetView::parsed(data);
  if (ethernet.untagged_type() != wire::kTypeIpv4 || (frame->vlan | context_.options.vlan) != 0) return false;
  if (!same_mac(data, context_.transmitter.mac().bytes) || !context_.options.answers) return false;
  if (!wire::Ipv4View::is_plain(data + wire::EthernetView::kBytes, frame->length - wire::EthernetView::kBytes)) return false;
  const auto ip = wire::Ipv4View::parsed(data + wire::EthernetView::kBytes);
  if (ip.protocol() != wire::kProtocolTcp) return false;
  if (address_word(ip.target()) != plain_target_ || is_martian_source_v4(ip.source())) return false;
  if ((frame->flags & nic::kRxIpChecksumGood) == 0 && !ip.checksum_good()) return false;
  const uint32_t bytes = ip.total_bytes() - wire::Ipv4View::kMinBytes;
  if (!wire::TcpView::fits(data + kInFront, bytes)) return false;
  const auto tcp = wire::TcpView::parsed(data + kInFront);
  // Made where it stays: copied with one load, its two words would be waited for until they are in the cache.
  Flow& flow = flows_[count_];
  flow.remote = IpAddress::from_v4(ip.source());
  // Own addresses, and those of broadcasts, are on an own link.
  if (context_.routes.on_link(flow.remote)) return false;
  frame->data = data + kInFront;
  frame->length = static_cast<uint16_t>(bytes);
  frame->l3_bytes = kInFront;
  flow.local = IpAddress::from_v4(ip.target());
  flow.local_port = tcp.target_port();
  flow.remote_port = tcp.source_port();
  segments_[count_++] = {&flow, frame, static_cast<uint16_t>(tcp.header_bytes()), bytes - tcp.header_bytes(), static_cast<Ecn>(ip.ecn()),
                         false};
  return true;
}

bool Input::for_this_station(const nic::Packet* frame) const noexcept {
  return (frame->data[0] & 1) != 0 || same_mac(frame->data, context_.transmitter.mac().bytes);
}

void Input::not_ours(ExceptionKind kind, nic::Packet* frame, uint64_t& reason) {
  if (!exceptions_.divert(kind, frame, start_)) context_.drop(frame, reason);
}

void Input::take(nic::Packet* frame) {
  start_ = frame->data;
  const auto ethernet = wire::EthernetView::parse(frame->data, frame->length);
  if (!ethernet) return context_.drop(frame, context_.counters.dropped_short);
  if (!for_this_station(frame)) return context_.drop(frame, context_.counters.dropped_not_ours);
  const uint16_t tag = frame->vlan != 0 ? frame->vlan : ethernet->tag();
  // A tag with id 0 carries a priority only (IEEE 802.1Q §9.6).
  if ((tag & kVlanIdBits) != context_.options.vlan) {
    return not_ours(ExceptionKind::kAddresses, frame, context_.counters.dropped_not_ours);
  }
  const bool group_mac = ethernet->multicast();
  source_mac_ = ethernet->source();
  const uint16_t type = ethernet->type();
  frame->pull(static_cast<uint16_t>(ethernet->header_bytes()));
  if (type == wire::kTypeIpv4) return take_v4(frame, group_mac);
  if (type == wire::kTypeIpv6) return take_v6(frame, group_mac);
  if (type == wire::kTypeArp) return take_arp(frame);
  not_ours(ExceptionKind::kProtocols, frame, context_.counters.dropped_not_ours);
}

// The kernel, on the same MAC, has to see what asks for its addresses, and what answers either of us. For ours we answer alone.
void Input::take_arp(nic::Packet* frame) {
  const auto arp = wire::ArpView::parse(frame->data, frame->length);
  const bool asks_us = arp && arp->operation() == wire::ArpView::kRequest &&
                       context_.routes.is_local(IpAddress::from_v4(arp->target_ip()));
  if (!asks_us) exceptions_.copy(ExceptionKind::kAddresses, frame, start_);
  arp_.receive(frame);
}

// Answers about neighbours reach one core of a device only, the one that also asks them to be answered. The others learn from what
// comes to them: the way back to a source is the station that its packet came from.
void Input::learn_from(const IpAddress& source) {
  const IpAddress* const hop = context_.routes.next_hop(source);
  if (hop != nullptr && (source_mac_[0] & 1) == 0) context_.neighbors.seen(*hop, source_mac_, context_.now_us);
}

// ---- IPv4 ----

void Input::take_v4(nic::Packet* frame, bool group_mac) {
  const uint32_t present = frame->next == nullptr ? frame->length : frame_bytes(frame);
  if (frame->length < wire::Ipv4View::kMinBytes) return context_.drop(frame, context_.counters.dropped_short);
  const auto ip = wire::Ipv4View::parse(frame->data, present);
  if (!ip || ip->header_bytes() > frame->length) return context_.drop(frame, context_.counters.dropped_short);
  if ((frame->flags & nic::kRxChecksumBad) != 0 || ((frame->flags & nic::kRxIpChecksumGood) == 0 && !ip->checksum_good())) {
    return context_.drop(frame, context_.counters.dropped_checksum);
  }
  const Addressing addressing{IpAddress::from_v4(ip->source()), IpAddress::from_v4(ip->target()), ip->ttl(), group_mac, ip->tos()};
  if (!context_.routes.is_local(addressing.target)) {
    return not_ours(ExceptionKind::kAddresses, frame, context_.counters.dropped_not_ours);
  }
  const bool martian = is_martian_source_v4(ip->source()) || context_.routes.is_local(addressing.source) ||
                       context_.routes.is_broadcast(addressing.source);
  // RFC 7126 §4.3, §4.4: a way that the sender chose is one past the filters, and our answers would have to go back on it.
  if (martian || ip->has_source_route()) return context_.drop(frame, context_.counters.dropped_martian);
  if (!context_.options.answers && !group_mac && !whole_) learn_from(addressing.source);
  if (!trim(frame, ip->total_bytes())) return context_.drop(frame, context_.counters.dropped_short);
  if (ip->is_fragment()) return take_fragment_v4(frame, addressing);
  const uint32_t header_bytes = ip->header_bytes();
  const uint32_t bytes = ip->payload_bytes();
  const uint8_t protocol = ip->protocol();
  const uint8_t ecn = ip->ecn();
  if (protocol != wire::kProtocolTcp && protocol != wire::kProtocolIcmp) {
    if (!whole_ && exceptions_.divert(ExceptionKind::kProtocols, frame, start_)) return;
    if (protocol == wire::kProtocolUdp && !admit_udp(frame, header_bytes, bytes, addressing)) return;
    refusal_.refuse(frame, header_bytes, protocol, addressing, 0);
    return context_.drop(frame, context_.counters.dropped_protocol);
  }
  frame->pull(static_cast<uint16_t>(header_bytes));
  if (protocol == wire::kProtocolTcp) return take_tcp(frame, bytes, addressing, ecn);
  take_icmp_v4(frame, bytes, addressing);
}

void Input::take_icmp_v4(nic::Packet* frame, uint32_t bytes, const Addressing& addressing) {
  const auto message = wire::IcmpView::parse(frame->data, frame->length);
  if (!whole_ && message && message->type() != wire::icmp::kEcho) exceptions_.copy(ExceptionKind::kProtocols, frame, start_);
  icmp_.receive_v4(frame, bytes, addressing);
}

// ---- IPv6 ----

void Input::take_v6(nic::Packet* frame, bool group_mac) {
  const uint32_t present = frame->next == nullptr ? frame->length : frame_bytes(frame);
  if (frame->length < wire::Ipv6View::kBytes) return context_.drop(frame, context_.counters.dropped_short);
  const auto ip = wire::Ipv6View::parse(frame->data, present);
  if (!ip) return context_.drop(frame, context_.counters.dropped_short);
  Addressing addressing{ip_v6(ip->source()), ip_v6(ip->target()), ip->hop_limit(), group_mac, ip->traffic_class()};
  const bool group = is_multicast(addressing.target) && context_.routes.in_group(addressing.target);
  if (!group && (addressing.target.is_v4() || !context_.routes.is_local(addressing.target))) {
    return not_ours(ExceptionKind::kAddresses, frame, context_.counters.dropped_not_ours);
  }
  addressing.for_group = group || group_mac;
  const bool unspecified = addressing.source == kUnspecifiedV6;
  const bool martian = context_.routes.is_local(addressing.source) || (is_martian_source_v6(ip->source()) && !unspecified);
  if (martian) return context_.drop(frame, context_.counters.dropped_martian);
  if (!context_.options.answers && !addressing.for_group && !whole_) learn_from(addressing.source);
  if (!trim(frame, wire::Ipv6View::kBytes + ip->payload_bytes())) return context_.drop(frame, context_.counters.dropped_short);
  const auto upper = wire::find_ipv6_upper(ip->next_header(), ip->payload(), frame->length - wire::Ipv6View::kBytes);
  if (!upper) return context_.drop(frame, context_.counters.dropped_short);
  if (upper->verdict != wire::Ipv6Verdict::kTake) {
    if (upper->verdict == wire::Ipv6Verdict::kProblem) report(frame, *upper, addressing);
    return context_.drop(frame, context_.counters.dropped_protocol);
  }
  if (upper->fragment) return take_fragment_v6(frame, addressing, *upper);
  const uint32_t header_bytes = wire::Ipv6View::kBytes + upper->offset;
  const uint32_t bytes = ip->payload_bytes() - upper->offset;
  const uint8_t ecn = ip->ecn();
  // Only a probe for a duplicate address has no source (RFC 4862 §5.4.2).
  if (unspecified && upper->protocol != wire::kProtocolIcmpv6) return context_.drop(frame, context_.counters.dropped_martian);
  if (upper->protocol != wire::kProtocolTcp && upper->protocol != wire::kProtocolIcmpv6) {
    if (!whole_ && exceptions_.divert(ExceptionKind::kProtocols, frame, start_)) return;
    if (upper->protocol == wire::kProtocolUdp && !admit_udp(frame, header_bytes, bytes, addressing)) return;
    // RFC 8200 §4.7: with "no next header" there is nothing that could be refused.
    constexpr uint8_t kNoNextHeader = 59;
    if (upper->protocol != kNoNextHeader) refusal_.refuse(frame, header_bytes, upper->protocol, addressing, upper->named_at);
    return context_.drop(frame, context_.counters.dropped_protocol);
  }
  frame->pull(static_cast<uint16_t>(header_bytes));
  if (upper->protocol == wire::kProtocolTcp) return take_tcp(frame, bytes, addressing, ecn);
  take_icmp_v6(frame, bytes, addressing);
}

// RFC 4443 §2.4 (e.3): of what came to a group, only options that ask for it are told, from an address of our own.
void Input::report(const nic::Packet* frame, const wire::Ipv6Upper& upper, const Addressing& addressing) {
  Addressing answer = addressing;
  if (upper.tell_groups) answer.for_group = false;
  if (is_multicast(answer.target)) {
    const IpAddress* const own = context_.routes.source_for(addressing.source);
    if (own == nullptr) return;
    answer.target = *own;
  }
  refusal_.report(frame, {upper.code, upper.pointer}, answer);
}

// As with ARP: what asks for one of our addresses is ours alone.
void Input::take_icmp_v6(nic::Packet* frame, uint32_t bytes, const Addressing& addressing) {
  const auto message = wire::IcmpView::parse(frame->data, frame->length);
  const uint8_t type = message ? message->type() : wire::icmpv6::kEcho;
  const auto neighbor = wire::NeighborView::parse(frame->data, frame->length);
  const bool asks_us = type == wire::icmpv6::kNeighborSolicitation && neighbor && context_.routes.is_local(ip_v6(neighbor->target()));
  const bool echo = type == wire::icmpv6::kEcho && !addressing.for_group;
  const bool about_neighbors = type == wire::icmpv6::kNeighborSolicitation || type == wire::icmpv6::kNeighborAdvertisement;
  // RFC 6980 §5: nothing about neighbours comes in fragments but from who wants to get past a filter.
  if (whole_ && type >= wire::icmpv6::kRouterSolicitation && type <= wire::icmpv6::kRedirect) {
    return context_.drop(frame, context_.counters.dropped_neighbor_message);
  }
  const ExceptionKind kind = about_neighbors ? ExceptionKind::kAddresses : ExceptionKind::kProtocols;
  if (!asks_us && !echo && !whole_) exceptions_.copy(kind, frame, start_);
  icmp_.receive_v6(frame, bytes, addressing);
}

// ---- TCP ----

void Input::take_tcp(nic::Packet* frame, uint32_t bytes, const Addressing& addressing, uint8_t ecn) {
  // RFC 9293 §3.9.2.3 (MUST-57): nothing that came to a group or a broadcast address is a segment.
  if (addressing.for_group || tcp_ == nullptr) return context_.drop(frame, context_.counters.dropped_not_ours);
  if (addressing.target.is_v4()) plain_target_ = address_word(addressing.target.v4());
  const auto tcp = wire::TcpView::parse(frame->data, frame->length);
  if (!tcp || tcp->header_bytes() > bytes) return context_.drop(frame, context_.counters.dropped_short);
  if ((frame->flags & nic::kRxChecksumBad) != 0 ||
      ((frame->flags & nic::kRxL4ChecksumGood) == 0 && !tcp_checksum_good(frame, bytes, addressing))) {
    return context_.drop(frame, context_.counters.dropped_checksum);
  }
  // For divert(): how far in front the frame begins. It may be further than this says of headers longer than any that is sent.
  const auto in_front = static_cast<uint32_t>(frame->data - start_);
  frame->l3_bytes = in_front <= UINT8_MAX && !whole_ ? static_cast<uint8_t>(in_front) : 0;
  Flow& flow = flows_[count_];
  flow = {addressing.target, addressing.source, tcp->target_port(), tcp->source_port()};
  segments_[count_++] = {&flow, frame, static_cast<uint16_t>(tcp->header_bytes()), bytes - tcp->header_bytes(), static_cast<Ecn>(ecn),
                         whole_ && (!context_.options.alone || exceptions_.wants(ExceptionKind::kPorts))};
}

bool Input::tcp_checksum_good(const nic::Packet* frame, uint32_t bytes, const Addressing& addressing) const noexcept {
  wire::Checksum sum;
  add_pseudo_header(sum, bytes, wire::kProtocolTcp, addressing);
  for (; frame != nullptr; frame = frame->next) sum.add(frame->data, frame->length);
  return sum.good();
}

// Nobody here listens for UDP; but what was damaged on its way is dropped in silence (RFC 1122 §4.1.3.4), for its ports say nothing of
// who sent it to whom. False: it is dropped.
bool Input::admit_udp(nic::Packet* frame, uint32_t header_bytes, uint32_t bytes, const Addressing& addressing) {
  const wire::UdpHeader header = wire::UdpHeader::parse(frame->data + header_bytes, frame->length - header_bytes);
  // RFC 768: the length counts the header. It may leave a rest of the packet out, which no checksum covers.
  if (header.bytes < wire::UdpHeader::kBytes || header.bytes > bytes) {
    context_.drop(frame, context_.counters.dropped_short);
    return false;
  }
  // RFC 768, RFC 8200 §8.1: 0 says that none was computed, which IPv6, whose own header has none, does not allow.
  const bool none = header.checksum == 0;
  if (none ? addressing.target.is_v4() : udp_checksum_good(frame, header_bytes, header.bytes, addressing)) return true;
  context_.drop(frame, context_.counters.dropped_checksum);
  return false;
}

bool Input::udp_checksum_good(const nic::Packet* frame, uint32_t header_bytes, uint32_t bytes,
                              const Addressing& addressing) const noexcept {
  wire::Checksum sum;
  add_pseudo_header(sum, bytes, wire::kProtocolUdp, addressing);
  uint32_t before = header_bytes;
  for (; frame != nullptr && bytes != 0; frame = frame->next) {
    const uint32_t some = std::min<uint32_t>(bytes, frame->length - before);
    sum.add(frame->data + before, some);
    bytes -= some;
    before = 0;
  }
  return sum.good();
}

// Cuts what is behind the packet: an Ethernet frame is padded to 60 bytes. False where less than `bytes` is there.
bool Input::trim(nic::Packet* frame, uint32_t bytes) noexcept {
  for (;; frame = frame->next) {
    if (bytes <= frame->length) break;
    bytes -= frame->length;
    if (frame->next == nullptr) return false;
  }
  frame->length = static_cast<uint16_t>(bytes);
  if (__builtin_expect(frame->next != nullptr, 0)) {
    context_.nic.pool().unref_frame(frame->next);
    frame->next = nullptr;
  }
  return true;
}

}  // namespace sluice::net
