#include "wiregen/resolver.hpp"

#include "wire/checksum.hpp"
#include "wire/ethernet.hpp"
#include "wire/icmp.hpp"
#include "wire/icmpv6.hpp"
#include "wire/ipv4.hpp"

namespace sluice::wiregen {

using wire::NeighborView;

namespace {

// RFC 4861 §7.1: less, and a router passed it on.
constexpr uint8_t kOnLinkHops = 255;

void join(uint8_t* out, const uint8_t* prefix, uint32_t low) noexcept {
  std::memcpy(out, prefix, 12);
  store_be32(out + 12, low);
}

}  // namespace

void Resolver::learn(const uint8_t* mac) noexcept {
  if (server_known_) return;
  out_.server_mac(mac);
  server_known_ = true;
}

void Resolver::ask() {
  if (!settings_.ipv6) {
    static constexpr uint8_t kBroadcast[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    return send_arp(wire::ArpView::kRequest, kBroadcast, settings_.local_address, settings_.server_address);
  }
  uint8_t own[16];
  uint8_t server[16];
  join(own, settings_.local_prefix, settings_.local_address);
  join(server, settings_.server_prefix, settings_.server_address);
  // RFC 4291 §2.7.1, RFC 2464 §7
  uint8_t group[16] = {0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff};
  std::memcpy(group + 13, server + 13, 3);
  const uint8_t mac[6] = {0x33, 0x33, group[12], group[13], group[14], group[15]};
  send_neighbor({wire::icmpv6::kNeighborSolicitation, 0, NeighborView::kOptionSourceMac, server, own, group, mac});
}

// ---- ARP ----

void Resolver::take_arp(const wire::ArpView& arp) {
  const uint32_t sender = load_be32(arp.sender_ip());
  const uint32_t target = load_be32(arp.target_ip());
  if (settings_.ipv6) return;
  if (sender == settings_.server_address) learn(arp.sender_mac());
  if (arp.operation() != wire::ArpView::kRequest || !answers_for(target)) return;
  send_arp(wire::ArpView::kReply, arp.sender_mac(), target, sender);
}

void Resolver::send_arp(uint16_t operation, const uint8_t* target_mac, uint32_t sender, uint32_t target) {
  nic::Packet* packet = nic_.pool().allocate(64);
  if (packet == nullptr) return;
  uint8_t sender_ip[4];
  uint8_t target_ip[4];
  store_be32(sender_ip, sender);
  store_be32(target_ip, target);
  const uint8_t* mac = nic_.capabilities().mac.bytes;
  const uint32_t head = wire::EthernetView::write(packet->data, target_mac, mac, wire::kTypeArp, 0);
  // RFC 826: the target's hardware address is unknown in a request.
  static constexpr uint8_t kUnknown[6] = {};
  const uint8_t* known = operation == wire::ArpView::kRequest ? kUnknown : target_mac;
  wire::ArpView::write(packet->data + head, operation, mac, sender_ip, known, target_ip);
  packet->length = static_cast<uint16_t>(head + wire::ArpView::kBytes);
  packet->next = nullptr;
  packet->flags = 0;
  out_.send_raw(packet);
}

// ---- neighbour discovery (RFC 4861 §7) ----

bool Resolver::take_icmpv6(const wire::Ipv6View& ip) {
  const uint8_t* const message = ip.payload();
  const uint32_t bytes = ip.payload_bytes();
  const auto view = NeighborView::parse(message, bytes);
  wire::Checksum sum;
  wire::add_pseudo_header_v6(sum, ip.source(), ip.target(), wire::kProtocolIcmpv6, bytes);
  sum.add(message, bytes);
  if (!view || !sum.good() || ip.hop_limit() != kOnLinkHops || message[1] != 0) return false;
  uint8_t server[16];
  join(server, settings_.server_prefix, settings_.server_address);
  if (message[0] == wire::icmpv6::kNeighborAdvertisement) {
    const uint8_t* const mac = view->mac(NeighborView::kOptionTargetMac);
    if (mac != nullptr && std::memcmp(view->target(), server, sizeof server) == 0) learn(mac);
    return true;
  }
  if (message[0] != wire::icmpv6::kNeighborSolicitation) return false;
  const uint8_t* const asker = view->mac(NeighborView::kOptionSourceMac);
  // Without it somebody wants to know whether the address is free, or knows already whom he asks.
  if (asker == nullptr || !answers_for(view->target())) return true;
  if (std::memcmp(ip.source(), server, sizeof server) == 0) learn(asker);
  send_neighbor({wire::icmpv6::kNeighborAdvertisement, NeighborView::kFlagSolicited | NeighborView::kFlagOverride,
                 NeighborView::kOptionTargetMac, view->target(), view->target(), ip.source(), asker});
  return true;
}

void Resolver::send_neighbor(const Neighbor& neighbor) {
  nic::Packet* packet = nic_.pool().allocate(128);
  if (packet == nullptr) return;
  const uint8_t* mac = nic_.capabilities().mac.bytes;
  const uint32_t head = wire::EthernetView::write(packet->data, neighbor.target_mac, mac, wire::kTypeIpv6, 0);
  uint8_t* const ip = packet->data + head;
  constexpr uint16_t kBytes = NeighborView::kBytesWithMac;
  wire::Ipv6View::write(ip, {.payload_bytes = kBytes, .next_header = wire::kProtocolIcmpv6, .hop_limit = kOnLinkHops,
                             .source = neighbor.source, .target = neighbor.target});
  uint8_t* const message = ip + wire::Ipv6View::kBytes;
  NeighborView::write_body(message, neighbor.subject, neighbor.option, mac);
  wire::Checksum sum;
  wire::add_pseudo_header_v6(sum, neighbor.source, neighbor.target, wire::kProtocolIcmpv6, kBytes);
  wire::IcmpView::write(message, kBytes, neighbor.type, 0, neighbor.flags, sum);
  packet->length = static_cast<uint16_t>(head + wire::Ipv6View::kBytes + kBytes);
  packet->next = nullptr;
  packet->flags = 0;
  out_.send_raw(packet);
}

}  // namespace sluice::wiregen
