#include "net/arp.hpp"

#include <cstring>

#include "net/special_addresses.hpp"
#include "wire/arp.hpp"
#include "wire/ethernet.hpp"

namespace sluice::net {

namespace {

constexpr uint8_t kNoMac[6] = {};

// RFC 5227 §2.1.1: who only asks whether an address is taken has none yet.
bool is_probe(const wire::ArpView& arp) noexcept {
  static constexpr uint8_t kNobody[4] = {};
  return arp.operation() == wire::ArpView::kRequest && std::memcmp(arp.sender_ip(), kNobody, sizeof kNobody) == 0;
}

}  // namespace

void Arp::receive(nic::Packet* frame) {
  take(frame);
  context_.nic.pool().unref_frame(frame);
}

// RFC 1122 §3.2.1.3: loopback, groups and broadcasts are nobody's address, and a group's MAC is no station's.
bool Arp::valid(const wire::ArpView& arp) const noexcept {
  if (arp.operation() != wire::ArpView::kRequest && arp.operation() != wire::ArpView::kReply) return false;
  if ((arp.sender_mac()[0] & 1) != 0) return false;
  if (is_probe(arp)) return true;
  return !is_martian_source_v4(arp.sender_ip()) && !context_.routes.is_broadcast(IpAddress::from_v4(arp.sender_ip()));
}

void Arp::take(const nic::Packet* frame) {
  const auto arp = wire::ArpView::parse(frame->data, frame->length);
  if (!arp || !valid(*arp)) {
    ++context_.counters.dropped_neighbor_message;
    return;
  }
  const IpAddress sender = IpAddress::from_v4(arp->sender_ip());
  const IpAddress target = IpAddress::from_v4(arp->target_ip());
  if (context_.routes.is_local(sender)) {
    if (!same_mac(arp->sender_mac(), context_.transmitter.mac().bytes)) conflict(sender);
    return;
  }
  const bool for_us = context_.routes.is_local(target);
  // A probe is answered, but there is nothing to learn from it; nor from who is not on this link.
  if (!is_probe(*arp) && context_.routes.on_link(sender)) {
    using Evidence = NeighborCache::Evidence;
    const bool reply = arp->operation() == wire::ArpView::kReply;
    const Evidence evidence = !for_us ? Evidence::kAnnounced : reply ? Evidence::kAnswered : Evidence::kAsked;
    context_.neighbors.heard(sender, arp->sender_mac(), evidence, context_.now_us);
  }
  if (!for_us || arp->operation() != wire::ArpView::kRequest || !context_.options.answers) return;
  ++context_.counters.neighbor_requests_in;
  nic::MacAddress to;
  std::memcpy(to.bytes, arp->sender_mac(), sizeof to.bytes);
  write(wire::ArpView::kReply, target, arp->sender_mac(), arp->sender_ip(), to);
}

void Arp::conflict(const IpAddress& own) {
  ++context_.counters.address_conflicts;
  if (!context_.options.answers || context_.now_us - defended_us_ < kDefendEveryUs) return;
  defended_us_ = context_.now_us;
  announce(own);
}

void Arp::request(const IpAddress& target, const nic::MacAddress* known) {
  const IpAddress* const source = context_.routes.source_for(target);
  if (source == nullptr) return;
  ++context_.counters.neighbor_requests_out;
  write(wire::ArpView::kRequest, *source, kNoMac, target.v4(), known == nullptr ? kBroadcastMac : *known);
}

void Arp::announce(const IpAddress& own) { write(wire::ArpView::kRequest, own, kNoMac, own.v4(), kBroadcastMac); }

void Arp::write(uint16_t operation, const IpAddress& sender, const uint8_t* target_mac, const uint8_t* target_ip,
                const nic::MacAddress& to) {
  nic::Packet* const packet = context_.allocate(wire::ArpView::kBytes);
  if (packet == nullptr) return;
  wire::ArpView::write(packet->data, operation, context_.transmitter.mac().bytes, sender.v4(), target_mac, target_ip);
  context_.transmitter.send(packet, to, wire::kTypeArp);
}

}  // namespace sluice::net
