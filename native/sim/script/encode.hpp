#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "net/address.hpp"
#include "nic/nic.hpp"
#include "sim/script/script.hpp"

// Frames of a script's peer.

namespace sluice::sim::script {

// What is known of a connection while its script runs. Numbers of the stack's side are written from its initial sequence number on.
struct ConnectionState {
  uint16_t local_port = 0;   // the stack's
  uint16_t remote_port = 0;  // the peer's
  bool has_iss = false;
  uint32_t iss = 0;  // the stack's
  bool has_peer_isn = false;
  uint32_t peer_isn = 0;
  bool has_ts_base = false;
  uint32_t ts_base = 0;       // the stack's first timestamp
  uint32_t ts_last = 0;       // and its latest
  uint32_t peer_ts_last = 0;  // the peer's latest
};

struct Link {
  nic::MacAddress stack_mac{};
  nic::MacAddress peer_mac{};
  net::IpAddress stack;
  net::IpAddress peer;
  uint16_t vlan = 0;
};

// Payload at an offset of a stream, different in both directions, so that a byte in the wrong place is seen.
inline uint8_t peer_byte(uint64_t offset) noexcept { return static_cast<uint8_t>(offset * 151 + (offset >> 8) * 31 + 7); }
inline uint8_t stack_byte(uint64_t offset) noexcept { return static_cast<uint8_t>(offset * 89 + (offset >> 8) * 57 + 200); }

// The frames of a packet: one, or with frag= its fragments. Empty with the reason in `error`.
std::vector<std::vector<uint8_t>> encode(const Packet& packet, const Link& link, ConnectionState& connection, std::string& error);

}  // namespace sluice::sim::script
