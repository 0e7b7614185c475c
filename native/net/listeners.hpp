#pragma once

#include <cstdint>
#include <vector>

#include "net/context.hpp"
#include "net/discovery.hpp"
#include "net/ip_output.hpp"

namespace sluice::net {

// Multicast listener discovery (RFC 3810, and RFC 2710 to routers that know no other): who belongs to a group says so (RFC 4861 §7.2.1,
// RFC 8504 §5.11). Switches that watch it pass solicitations for our addresses on to us only then.
class Listeners {
 public:
  Listeners(Context& context, IpOutput& output);

  // Unasked: that we belong to the groups of our addresses. `settled`: nobody else has our link-local address, so it may be the source.
  void announce(bool settled);
  // A router's query.
  void receive(const Icmpv6Message& message);
  // Answers what is due.
  void advance();
  uint64_t next_due_us() const noexcept { return due_us_; }

 private:
  void report(uint8_t record, bool settled);
  void report_v1(const IpAddress& group);
  void send(const IpAddress& source, const IpAddress& target, nic::Packet* packet, uint32_t bytes, uint8_t type, uint32_t word);
  const IpAddress& link_local() const noexcept;

  Context& context_;
  IpOutput& output_;
  std::vector<IpAddress> groups_;
  uint64_t due_us_ = UINT64_MAX;
  bool v1_ = false;  // whom the answer is for knows RFC 2710 only
};

}  // namespace sluice::net
