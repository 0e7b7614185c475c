#include "net/ip_output.hpp"

#include "base/assert.hpp"
#include "wire/ethernet.hpp"
#include "wire/ipv4.hpp"
#include "wire/ipv6.hpp"

namespace sluice::net {

bool IpOutput::send(const IpPacket& ip, nic::Packet* packet, uint32_t message_bytes) {
  const IpAddress* const hop = context_->routes.next_hop(*ip.remote);
  if (__builtin_expect(hop == nullptr || context_->routes.is_local(*ip.remote), 0)) {
    context_->drop(packet, context_->counters.unsent_no_route);
    return false;
  }
  // Asked first: the request may need the packet pool, the waiting list or an older entry's place.
  const nic::MacAddress* const mac = context_->neighbors.resolve(*hop, context_->now_us);
  if (__builtin_expect(mac != nullptr, 1)) return send_to(ip, packet, message_bytes, *mac);
  write_header(ip, packet, message_bytes);
  Transmitter::mark_waiting(packet);
  context_->neighbors.hold(*hop, packet);
  return true;
}

bool IpOutput::send_to(const IpPacket& ip, nic::Packet* packet, uint32_t message_bytes, const nic::MacAddress& mac) {
  write_header(ip, packet, message_bytes);
  return context_->transmitter.send(packet, mac, ip.remote->is_v4() ? wire::kTypeIpv4 : wire::kTypeIpv6);
}

void IpOutput::write_header(const IpPacket& ip, nic::Packet* packet, uint32_t message_bytes) noexcept {
  if (ip.remote->is_v4()) {
    wire::Ipv4View::Fields fields{.total_bytes = static_cast<uint16_t>(message_bytes + wire::Ipv4View::kMinBytes),
                                  .protocol = ip.protocol, .source = ip.local->v4(), .target = ip.remote->v4()};
    fields.tos = ip.traffic_class;
    fields.ttl = ip.hops;
    SLUICE_ASSERT(packet->headroom() >= wire::Ipv4View::kMinBytes);
    wire::Ipv4View::write(packet->push(wire::Ipv4View::kMinBytes), fields);
    packet->l3_bytes = wire::Ipv4View::kMinBytes;
    return;
  }
  wire::Ipv6View::Fields fields{.payload_bytes = static_cast<uint16_t>(message_bytes), .next_header = ip.protocol,
                                .source = ip.local->bytes, .target = ip.remote->bytes};
  fields.traffic_class = ip.traffic_class;
  fields.hop_limit = ip.hops;
  fields.flow_label = ip.flow_label;
  SLUICE_ASSERT(packet->headroom() >= wire::Ipv6View::kBytes);
  wire::Ipv6View::write(packet->push(wire::Ipv6View::kBytes), fields);
  packet->l3_bytes = wire::Ipv6View::kBytes;
}

uint16_t IpOutput::type_of(const nic::Packet* packet) noexcept { return packet->data[0] >> 4 == 4 ? wire::kTypeIpv4 : wire::kTypeIpv6; }

void IpOutput::release(nic::Packet* packet, const nic::MacAddress& mac) {
  Transmitter::unmark_waiting(packet);
  context_->transmitter.send(packet, mac, type_of(packet));
}

void IpOutput::give_up(nic::Packet* packet) {
  Transmitter::unmark_waiting(packet);
  context_->drop(packet, context_->counters.unsent_unresolved);
}

}  // namespace sluice::net
