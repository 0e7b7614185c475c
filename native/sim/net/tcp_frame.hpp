#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "net/address.hpp"
#include "wire/tcp.hpp"
#include "wire/tcp_options.hpp"

// A TCP segment as an observer reads it off the wire.

namespace sluice::sim {

struct TcpFrame {
  net::IpAddress source;
  net::IpAddress target;
  uint16_t source_port = 0;
  uint16_t target_port = 0;
  uint32_t seq = 0;
  uint32_t ack = 0;
  uint16_t window = 0;
  uint8_t flags = 0;
  uint8_t ecn = 0;
  bool v6 = false;
  bool dont_fragment = false;
  bool checksums_good = false;
  bool options_good = false;
  uint32_t options_bytes = 0;
  wire::TcpOptions options;
  const uint8_t* payload = nullptr;
  uint32_t payload_bytes = 0;

  bool has(uint8_t flag) const noexcept { return (flags & flag) != 0; }
  // Sequence numbers that it takes: payload, SYN and FIN (RFC 9293 §3.4).
  uint32_t span() const noexcept { return payload_bytes + (has(wire::kSyn) ? 1u : 0u) + (has(wire::kFin) ? 1u : 0u); }
};

// Nothing where it is no unfragmented TCP segment of the lengths that it says. Bad checksums are told, not refused.
std::optional<TcpFrame> read_tcp_frame(const uint8_t* frame, uint32_t length);

// "S. 5:5(0) ack 9 win 65535 <mss 1460,...>", numbers minus the bases.
std::string to_text(const TcpFrame& frame, uint32_t seq_base, uint32_t ack_base);

std::string to_text(const net::IpAddress& address);

}  // namespace sluice::sim
