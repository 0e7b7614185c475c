#pragma once

#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include "net/ip_layer.hpp"
#include "wire/tcp.hpp"
#include "wire/tcp_options.hpp"

namespace sluice::tcp::sim {

// A segment on its way, as seen from its receiver.
struct WireSegment {
  net::Flow flow{};
  std::vector<uint8_t> bytes;
  net::Ecn ecn = net::Ecn::kNotCapable;
  uint64_t due_us = 0;

  wire::TcpView view() const { return *wire::TcpView::parse(const_cast<uint8_t*>(bytes.data()), static_cast<uint32_t>(bytes.size())); }
  uint32_t seq() const { return view().seq(); }
  uint32_t ack() const { return view().ack(); }
  uint8_t flags() const { return view().flags(); }
  uint16_t window() const { return view().window(); }
  bool has(wire::TcpFlag flag) const { return (flags() & flag) != 0; }
  uint32_t payload_bytes() const { return static_cast<uint32_t>(bytes.size()) - view().header_bytes(); }
  std::string payload() const { return {bytes.begin() + view().header_bytes(), bytes.end()}; }
  uint32_t length() const { return payload_bytes() + has(wire::kSyn) + has(wire::kFin); }
  wire::TcpOptions options() const {
    wire::TcpOptions out;
    wire::parse_tcp_options(view().options(), view().options_bytes(), out);
    return out;
  }
};

inline net::Flow reversed(const net::Flow& flow) { return {flow.remote, flow.local, flow.remote_port, flow.local_port}; }

inline net::IpAddress v4(uint8_t a, uint8_t b, uint8_t c, uint8_t d) {
  const uint8_t bytes[4] = {a, b, c, d};
  return net::IpAddress::from_v4(bytes);
}
inline net::IpAddress v6(uint8_t last) {
  net::IpAddress out{{0xfd}};
  out.bytes[15] = last;
  return out;
}

}  // namespace sluice::tcp::sim
