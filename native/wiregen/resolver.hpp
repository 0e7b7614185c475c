#pragma once

#include <cstdint>
#include <cstring>

#include "base/bytes.hpp"
#include "wire/arp.hpp"
#include "wire/ipv6.hpp"
#include "wiregen/address_plan.hpp"
#include "wiregen/segment_writer.hpp"
#include "wiregen/settings.hpp"

namespace sluice::wiregen {

// Who has which MAC: answers ARP and neighbour solicitations for every client's address, and finds out the server's.
class Resolver {
 public:
  Resolver(nic::Nic& nic, const Settings& settings, const AddressPlan& plan, SegmentWriter& out)
      : nic_(nic),
        settings_(settings),
        plan_(plan),
        out_(out),
        server_known_(settings.server_mac_known) {}

  bool server_known() const noexcept { return server_known_; }
  // Asks for the server's MAC.
  void ask();

  void take_arp(const wire::ArpView& arp);
  // False where it is none of neighbour discovery's, or not valid.
  bool take_icmpv6(const wire::Ipv6View& ip);

  bool answers_for(uint32_t address) const noexcept { return plan_.is_host(address) || address == settings_.local_address; }
  bool answers_for(const uint8_t* ipv6) const noexcept {
    const uint32_t low = load_be32(ipv6 + 12);
    if (std::memcmp(ipv6, settings_.client_prefix, 12) == 0 && plan_.is_host(low)) return true;
    return low == settings_.local_address && std::memcmp(ipv6, settings_.local_prefix, 12) == 0;
  }

 private:
  void learn(const uint8_t* mac) noexcept;
  void send_arp(uint16_t operation, const uint8_t* target_mac, uint32_t sender, uint32_t target);

  struct Neighbor {
    uint8_t type;
    uint32_t flags;
    uint8_t option;
    const uint8_t* subject;
    const uint8_t* source;
    const uint8_t* target;
    const uint8_t* target_mac;
  };
  void send_neighbor(const Neighbor& message);

  nic::Nic& nic_;
  const Settings& settings_;
  const AddressPlan& plan_;
  SegmentWriter& out_;
  bool server_known_;
};

}  // namespace sluice::wiregen
