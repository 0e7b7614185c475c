#pragma once

#include <cstdint>

#include "net/context.hpp"
#include "net/discovery.hpp"
#include "net/ip_layer.hpp"
#include "net/ip_output.hpp"
#include "net/listeners.hpp"

namespace sluice::net {

// Where a received message came from and went to.
struct Addressing {
  IpAddress source;
  IpAddress target;
  uint8_t hops;
  bool for_group;  // its target is a multicast group of ours
  uint8_t traffic_class = 0;
};

// ICMP (RFC 792, RFC 1122 §3.2.2) and ICMPv6 (RFC 4443): answers echo requests, takes errors about our segments to TCP.
class Icmp {
 public:
  Icmp(Context& context, IpOutput& output, Discovery& discovery, Listeners& listeners)
      : context_(context), output_(output), discovery_(discovery), listeners_(listeners) {}

  void attach(SegmentHandler& tcp) noexcept { tcp_ = &tcp; }

  // `frame->data` is at the message, of which `bytes` are in all pieces. Takes the frame.
  void receive_v4(nic::Packet* frame, uint32_t bytes, const Addressing& addressing);
  void receive_v6(nic::Packet* frame, uint32_t bytes, const Addressing& addressing);

 private:
  void take_error_v4(const nic::Packet* frame);
  void take_error_v6(const nic::Packet* frame);
  void tell(IcmpError::Kind kind, const IpAddress& local, const IpAddress& remote, const uint8_t* tcp, uint32_t mtu);
  void answer_echo(nic::Packet* frame, uint32_t bytes, const Addressing& addressing, uint8_t reply_type);

  Context& context_;
  IpOutput& output_;
  Discovery& discovery_;
  Listeners& listeners_;
  SegmentHandler* tcp_ = nullptr;
};

}  // namespace sluice::net
