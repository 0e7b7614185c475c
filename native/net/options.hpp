#pragma once

#include <cstdint>
#include <vector>

#include "base/siphash.hpp"
#include "net/address.hpp"

namespace sluice::net {

struct InterfaceAddress {
  IpAddress address;
  uint8_t prefix;  // bits, of the address's own family
};

struct InterfaceOptions {
  std::vector<InterfaceAddress> addresses;
  std::vector<IpAddress> gateways;  // at most one of each family
  uint16_t vlan = 0;                // 0: untagged
  uint16_t mtu = 0;                 // 0: the device's
  uint32_t neighbors = 1024;        // bound of the cache
  bool answers = true;              // false on all but one core of a device: requests that every core sees are answered once
  SipKey key;                       // secret; random at each start
};

}  // namespace sluice::net
