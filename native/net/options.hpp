#pragma once

#include <cstdint>
#include <vector>

#include "base/siphash.hpp"
#include "net/address.hpp"
#include "nic/exception_nic.hpp"

namespace sluice::net {

struct InterfaceAddress {
  IpAddress address;
  uint8_t prefix;  // bits, of the address's own family
};

// What the exception path gives to the kernel.
enum class ExceptionKind : uint8_t {
  kAddresses = 1,  // what is for other addresses, groups or VLANs
  kProtocols = 2,  // what we do not speak, for our addresses too; a copy of ICMP errors and of answers about neighbours
  kPorts = 4,      // TCP to ports of ours on which we do not listen
};

struct InterfaceOptions {
  std::vector<InterfaceAddress> addresses;
  std::vector<IpAddress> gateways;  // at most one of each family
  uint16_t vlan = 0;                // 0: untagged
  uint16_t mtu = 0;                 // 0: the device's
  uint32_t neighbors = 1024;        // bound of the cache
  bool answers = true;              // false on all but one core of a device: requests that every core sees are answered once
  bool alone = true;                // no other core has a part of the device's connections
  nic::ExceptionNic* kernel = nullptr;  // the exception path; outlives the interface
  uint8_t kernel_kinds = 0;             // ExceptionKind
  SipKey key;                       // secret; random at each start
};

}  // namespace sluice::net
