#pragma once

#include <cstdint>

#include "net/context.hpp"
#include "net/ip_output.hpp"

namespace sluice::net {

// An ICMPv6 message that came in; its checksum was verified and its IP header is still in front of it.
struct Icmpv6Message {
  const IpAddress* source;
  const IpAddress* target;
  uint8_t* data;
  uint32_t bytes;
  uint8_t hops;
};

// IPv6 neighbour discovery for a host with fixed addresses (RFC 4861): solicitations and advertisements. Addresses are used from the
// start while their uniqueness is still being asked about (optimistic duplicate address detection, RFC 4429).
class Discovery {
 public:
  Discovery(Context& context, IpOutput& output) : context_(context), output_(output) {}

  // A solicitation or an advertisement.
  void receive(const Icmpv6Message& message);
  void request(const IpAddress& target, const nic::MacAddress* known);
  // RFC 4862 §5.4.2: is anybody using our address?
  void probe(const IpAddress& own);
  // RFC 4861 §7.2.6: tells neighbours that hold an older MAC for our address.
  void announce(const IpAddress& own);
  // Before this the answers do not override what neighbours know (RFC 4429 §3.3).
  void set_tentative_until(uint64_t us) noexcept { tentative_until_us_ = us; }

 private:
  void take_solicitation(const Icmpv6Message& message);
  void take_advertisement(const Icmpv6Message& message);
  void advertise(const IpAddress& own, const IpAddress& to, const nic::MacAddress& mac, uint32_t flags);
  void send(const IpPacket& ip, const nic::MacAddress& mac, uint8_t type, uint32_t flags, const IpAddress& subject, uint8_t option);

  Context& context_;
  IpOutput& output_;
  uint64_t tentative_until_us_ = 0;
};

}  // namespace sluice::net
