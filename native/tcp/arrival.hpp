#pragma once

#include <cstdint>

#include "net/ip_layer.hpp"
#include "tcp/seq.hpp"
#include "wire/tcp.hpp"
#include "wire/tcp_options.hpp"

namespace sluice::tcp {

// A segment that came, its header read.
struct Arrival {
  const net::Segment* segment;
  Seq seq;
  Seq ack;
  uint16_t window;       // unscaled
  uint8_t flags;
  wire::TcpOptions options;

  bool has(wire::TcpFlag flag) const noexcept { return (flags & flag) != 0; }
  uint32_t payload() const noexcept { return segment->payload_bytes; }
  // In sequence space: SYN and FIN count one each.
  uint32_t length() const noexcept { return payload() + (has(wire::kSyn) ? 1u : 0u) + (has(wire::kFin) ? 1u : 0u); }
  Seq end() const noexcept { return seq + length(); }
};

}  // namespace sluice::tcp
