#pragma once

#include <cstdint>

#include "net/context.hpp"
#include "net/ip_layer.hpp"

namespace sluice::net {

// One IP packet on its way out.
struct IpPacket {
  const IpAddress* local;
  const IpAddress* remote;
  uint8_t protocol;
  uint8_t traffic_class = 0;
  uint8_t hops = 64;
  uint32_t flow_label = 0;
  // IPv4 only: of a fragment (RFC 791 §3.1), flags and offset as they stand in the header.
  uint16_t identification = 0;
  uint16_t fragment = 0;
  bool dont_fragment = true;
};

// Puts IP headers in front of messages, finds the neighbour to send to, and lets packets wait for its address.
class IpOutput final : public NeighborCache::Link {
 public:
  // The requests that the neighbour cache asks for are written elsewhere.
  class Requests {
   public:
    virtual ~Requests() = default;
    virtual void request(const IpAddress& target, const nic::MacAddress* known) = 0;
  };

  void attach(Context& context, Requests& requests) noexcept {
    context_ = &context;
    requests_ = &requests;
  }

  // Where packets for an address go now; null where there is no route, or its next hop is being asked for, which send() then minds.
  const nic::MacAddress* station_of(const IpAddress& remote) {
    const IpAddress* const hop = next_hop(remote);
    return hop == nullptr ? nullptr : context_->neighbors.resolve(*hop, context_->now_us);
  }
  // `packet->data` is at the message. Takes one reference of each piece. False when it was dropped at once.
  bool send(const IpPacket& ip, nic::Packet* packet, uint32_t message_bytes);
  // The same, whatever its length: copied into packets of which each fits the MTU (RFC 791 §3.2, RFC 8200 §4.5).
  bool send_in_fragments(const IpPacket& ip, nic::Packet* packet, uint32_t message_bytes);
  // To a multicast group or a known MAC.
  bool send_to(const IpPacket& ip, nic::Packet* packet, uint32_t message_bytes, const nic::MacAddress& mac);

  // NeighborCache::Link
  void solicit(const IpAddress& target, const nic::MacAddress* known) override { requests_->request(target, known); }
  void release(nic::Packet* packet, const nic::MacAddress& mac) override;
  void give_up(nic::Packet* packet) override;

 private:
  // An own address is on one of the own links, and no packet goes there.
  const IpAddress* next_hop(const IpAddress& remote) const noexcept {
    const IpAddress* const hop = context_->routes.next_hop(remote);
    return hop == &remote && context_->routes.is_local(remote) ? nullptr : hop;
  }
  static uint16_t type_of(const nic::Packet* packet) noexcept;
  void write_header(const IpPacket& ip, nic::Packet* packet, uint32_t message_bytes) noexcept;
  bool send_fragment(const IpPacket& ip, nic::Packet* fragment, uint32_t offset, uint32_t id, bool more);

  Context* context_ = nullptr;
  Requests* requests_ = nullptr;
  uint64_t fragmented_ = 0;  // packets
};

}  // namespace sluice::net
