#pragma once

#include <cstdint>

#include "net/context.hpp"
#include "wire/arp.hpp"

namespace sluice::net {

// The address resolution protocol (RFC 826) with conflict detection (RFC 5227).
class Arp {
 public:
  explicit Arp(Context& context) : context_(context) {}

  // `frame->data` is at the ARP message. Takes the frame.
  void receive(nic::Packet* frame);
  void request(const IpAddress& target, const nic::MacAddress* known);
  // RFC 5227 §2.3: tells neighbours that hold an older MAC for our address.
  void announce(const IpAddress& own);

 private:
  // RFC 5227 §2.4 (c): an address in use is defended, but not more often.
  static constexpr uint64_t kDefendEveryUs = 10'000'000;

  bool valid(const wire::ArpView& arp) const noexcept;
  void take(const nic::Packet* frame);
  void conflict(const IpAddress& own);
  void write(uint16_t operation, const IpAddress& sender, const uint8_t* target_mac, const uint8_t* target_ip, const nic::MacAddress& to);

  Context& context_;
  uint64_t defended_us_ = 0;
};

}  // namespace sluice::net
