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

  // `packet->data` is at the message. Takes one reference of each piece. False when it was dropped at once.
  bool send(const IpPacket& ip, nic::Packet* packet, uint32_t message_bytes);
  // To a multicast group or a known MAC.
  bool send_to(const IpPacket& ip, nic::Packet* packet, uint32_t message_bytes, const nic::MacAddress& mac);

  // NeighborCache::Link
  void solicit(const IpAddress& target, const nic::MacAddress* known) override { requests_->request(target, known); }
  void release(nic::Packet* packet, const nic::MacAddress& mac) override;
  void give_up(nic::Packet* packet) override;

 private:
  static uint16_t type_of(const nic::Packet* packet) noexcept;
  void write_header(const IpPacket& ip, nic::Packet* packet, uint32_t message_bytes) noexcept;

  Context* context_ = nullptr;
  Requests* requests_ = nullptr;
};

}  // namespace sluice::net
