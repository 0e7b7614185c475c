#include "net/discovery.hpp"

#include <cstring>

#include "net/special_addresses.hpp"
#include "wire/icmp.hpp"
#include "wire/icmpv6.hpp"
#include "wire/ipv4.hpp"

namespace sluice::net {

using Evidence = NeighborCache::Evidence;
using wire::NeighborView;

namespace {

// RFC 4861 §7.1.1, §7.1.2: a hop limit below 255 means that a router passed it on.
constexpr uint8_t kOnLinkHops = 255;

nic::MacAddress mac_of(const uint8_t* bytes) noexcept {
  nic::MacAddress mac;
  std::memcpy(mac.bytes, bytes, sizeof mac.bytes);
  return mac;
}

}  // namespace

void Discovery::receive(const Icmpv6Message& message) {
  const bool code_zero = message.data[1] == 0;
  if (message.hops != kOnLinkHops || !code_zero || !NeighborView::parse(message.data, message.bytes)) {
    ++context_.counters.dropped_neighbor_message;
    return;
  }
  if (message.data[0] == wire::icmpv6::kNeighborSolicitation) return take_solicitation(message);
  take_advertisement(message);
}

void Discovery::take_solicitation(const Icmpv6Message& message) {
  const auto view = NeighborView::parse(message.data, message.bytes);
  const IpAddress subject = ip_v6(view->target());
  const uint8_t* const mac = view->mac(NeighborView::kOptionSourceMac);
  const bool unspecified = *message.source == kUnspecifiedV6;
  const bool invalid = is_multicast(subject) || (mac != nullptr && (mac[0] & 1) != 0) ||
                       (unspecified && (mac != nullptr || *message.target != solicited_node(subject)));
  if (invalid) {
    ++context_.counters.dropped_neighbor_message;
    return;
  }
  if (!context_.routes.is_local(subject)) return;
  ++context_.counters.neighbor_requests_in;
  if (unspecified) {
    // Somebody wants to take an address that we hold (RFC 4862 §5.4.3): all nodes are told that it is taken.
    ++context_.counters.address_conflicts;
    if (context_.options.answers) advertise(subject, kAllNodes, multicast_mac(kAllNodes), NeighborView::kFlagOverride);
    return;
  }
  // Who is not on this link is reached by another's MAC, so there is nothing to remember of it.
  if (mac != nullptr && context_.routes.on_link(*message.source)) {
    context_.neighbors.heard(*message.source, mac, Evidence::kAsked, context_.now_us);
  }
  if (!context_.options.answers) return;
  const bool settled = context_.now_us >= tentative_until_us_;
  const uint32_t flags = NeighborView::kFlagSolicited | (settled ? NeighborView::kFlagOverride : 0);
  if (mac != nullptr) return advertise(subject, *message.source, mac_of(mac), flags);
  // A unicast solicitation may leave its MAC out (RFC 4861 §4.3); the cache has it or asks.
  const nic::MacAddress* const known = context_.neighbors.resolve(*message.source, context_.now_us);
  if (known != nullptr) advertise(subject, *message.source, *known, flags);
}

void Discovery::take_advertisement(const Icmpv6Message& message) {
  const auto view = NeighborView::parse(message.data, message.bytes);
  const IpAddress subject = ip_v6(view->target());
  const uint8_t* const mac = view->mac(NeighborView::kOptionTargetMac);
  const bool solicited = (view->flags() & NeighborView::kFlagSolicited) != 0;
  // RFC 4861 §4.4: it comes from an address of the interface that sends it; §7.1.2: to a group nothing is an answer.
  const bool invalid = *message.source == kUnspecifiedV6 || is_multicast(subject) || (solicited && is_multicast(*message.target)) ||
                       (mac != nullptr && (mac[0] & 1) != 0);
  if (invalid) {
    ++context_.counters.dropped_neighbor_message;
    return;
  }
  if (context_.routes.is_local(subject)) {
    if (mac != nullptr && !same_mac(mac, context_.transmitter.mac().bytes)) ++context_.counters.address_conflicts;
    return;
  }
  if (mac == nullptr) return;
  const bool override = (view->flags() & NeighborView::kFlagOverride) != 0;
  const Evidence evidence = solicited ? (override ? Evidence::kAnswered : Evidence::kAnsweredWeakly)
                                      : (override ? Evidence::kAnnounced : Evidence::kAnnouncedWeakly);
  context_.neighbors.heard(subject, mac, evidence, context_.now_us);
}

void Discovery::request(const IpAddress& target, const nic::MacAddress* known) {
  const IpAddress* const source = context_.routes.source_for(target);
  if (source == nullptr) return;
  ++context_.counters.neighbor_requests_out;
  const IpAddress group = solicited_node(target);
  const IpPacket ip{.local = source, .remote = known == nullptr ? &group : &target, .protocol = wire::kProtocolIcmpv6, .hops = kOnLinkHops};
  send(ip, known == nullptr ? multicast_mac(group) : *known, wire::icmpv6::kNeighborSolicitation, 0, target,
       NeighborView::kOptionSourceMac);
}

void Discovery::probe(const IpAddress& own) {
  const IpAddress group = solicited_node(own);
  const IpPacket ip{.local = &kUnspecifiedV6, .remote = &group, .protocol = wire::kProtocolIcmpv6, .hops = kOnLinkHops};
  send(ip, multicast_mac(group), wire::icmpv6::kNeighborSolicitation, 0, own, 0);
}

void Discovery::announce(const IpAddress& own) {
  advertise(own, kAllNodes, multicast_mac(kAllNodes), NeighborView::kFlagOverride);
}

void Discovery::advertise(const IpAddress& own, const IpAddress& to, const nic::MacAddress& mac, uint32_t flags) {
  const IpPacket ip{.local = &own, .remote = &to, .protocol = wire::kProtocolIcmpv6, .hops = kOnLinkHops};
  send(ip, mac, wire::icmpv6::kNeighborAdvertisement, flags, own, NeighborView::kOptionTargetMac);
}

// option 0: none.
void Discovery::send(const IpPacket& ip, const nic::MacAddress& mac, uint8_t type, uint32_t flags, const IpAddress& subject,
                     uint8_t option) {
  const uint32_t bytes = option == 0 ? NeighborView::kBytes : NeighborView::kBytesWithMac;
  nic::Packet* const packet = context_.allocate(bytes);
  if (packet == nullptr) return;
  if (option == 0) {
    std::memcpy(packet->data + 8, subject.bytes, sizeof subject.bytes);
  } else {
    NeighborView::write_body(packet->data, subject.bytes, option, context_.transmitter.mac().bytes);
  }
  wire::Checksum sum;
  wire::add_pseudo_header_v6(sum, ip.local->bytes, ip.remote->bytes, wire::kProtocolIcmpv6, bytes);
  wire::IcmpView::write(packet->data, bytes, type, 0, flags, sum);
  output_.send_to(ip, packet, bytes, mac);
}

}  // namespace sluice::net
