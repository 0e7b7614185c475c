#pragma once

#include <cstdint>
#include <vector>

#include "net/options.hpp"

namespace sluice::net {

// Own addresses and where packets go: to a neighbour on one of the own prefixes, else to the gateway of the family.
class Routes {
 public:
  // `link_local` is added with a prefix of 64 bits (RFC 4291 §2.5.6).
  Routes(const InterfaceOptions& options, const IpAddress& link_local);

  bool is_local(const IpAddress& address) const noexcept;
  bool on_link(const IpAddress& address) const noexcept;
  // The neighbour to send to; null: no route.
  const IpAddress* next_hop(const IpAddress& remote) const noexcept;
  // Own address to speak from to a neighbour on the link: the one whose prefix it shares, else the family's first.
  const IpAddress* source_for(const IpAddress& remote) const noexcept;
  // The all-ones address of one of the own IPv4 prefixes, or 255.255.255.255 (RFC 1122 §3.2.1.3).
  bool is_broadcast(const IpAddress& address) const noexcept;
  // A multicast group that this host belongs to: all nodes, and the solicited-node group of each address (RFC 4291 §2.8).
  bool in_group(const IpAddress& group) const noexcept;

  const std::vector<InterfaceAddress>& addresses() const noexcept { return addresses_; }

 private:
  // In words, for every packet is compared with it.
  struct Prefix {
    uint64_t network[2];
    uint64_t mask[2];
  };
  struct PrefixV4 {
    uint32_t network;
    uint32_t mask;
  };

  static Prefix prefix_of(const IpAddress& address, uint8_t bits) noexcept;
  static bool matches(const Prefix& prefix, const IpAddress& address) noexcept;

  std::vector<InterfaceAddress> addresses_;
  std::vector<Prefix> prefixes_;       // in the order of addresses_
  std::vector<PrefixV4> prefixes_v4_;
  std::vector<IpAddress> broadcasts_;
  IpAddress gateway_v4_{};
  IpAddress gateway_v6_{};
  bool has_gateway_v4_ = false;
  bool has_gateway_v6_ = false;
};

}  // namespace sluice::net
