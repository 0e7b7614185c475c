#include "net/arp.hpp"

#include <cstring>

#include "net/special_addresses.hpp"
#include "wire/arp.hpp"
#include "wire/ethernet.hpp"

namespace sluice::net {

namespace {
constexpr uint8_t kNoMac[6] = {};
}

void Arp::receive(nic::Packet* frame) {
  take(frame);
  context_.nic.pool().unref_frame(frame);
}

void Arp::take(const nic::Packet* frame) {
  const auto arp = wire::ArpView::parse(frame->data, frame->length);
  if (!arp || (arp->sender_mac()[0] & 1) != 0) {
    ++context_.counters.dropped_neighbor_message;
    return;
  }
  const IpAddress sender = IpAddress::from_v4(arp->sender_ip());
  const IpAddress target = IpAddress::from_v4(arp->target_ip());
  if (context_.routes.is_local(sender)) {
    if (!same_mac(arp->sender_mac(), context_.transmitter.mac().bytes)) conflict(sender);
    return;
  }
  // A probe (RFC 5227 §2.1.1) has no sender address: it is answered, but nothing is learnt.
  const bool probe = std::memcmp(arp->sender_ip(), "\0\0\0\0", 4) == 0;
  const bool for_us = context_.routes.is_local(target);
  const bool believable = !probe && context_.routes.on_link(sender) && !is_martian_source_v4(sender.v4());
  if (believable) {
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
