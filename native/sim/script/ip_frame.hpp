#pragma once

#include <cstdint>
#include <vector>

#include "net/address.hpp"
#include "nic/nic.hpp"
#include "sim/script/fields.hpp"

namespace sluice::sim::script {

// An IP packet on its way into frames. The words ttl=, ecn=, frag=, fragskip=, cut=, pad=, iplen=, ipchecksum=bad, mac=, srcmac=, vlan=
// and tos= of a packet change what is built.
struct IpFrame {
  net::IpAddress source;
  net::IpAddress target;
  uint8_t protocol = 0;
  nic::MacAddress source_mac{};
  nic::MacAddress target_mac{};
  uint16_t vlan = 0;
  uint8_t ttl = 64;
  std::vector<uint8_t> payload;
};

std::vector<std::vector<uint8_t>> to_frames(IpFrame packet, Fields& fields);

}  // namespace sluice::sim::script
