#pragma once

#include <cstdint>
#include <cstring>

namespace sluice::net {

// An IPv6 address, or an IPv4 one in its mapped form ::ffff:a.b.c.d (RFC 4291 §2.5.5.2); network order.
struct IpAddress {
  uint8_t bytes[16];

  bool is_v4() const noexcept {
    static constexpr uint8_t kPrefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    return std::memcmp(bytes, kPrefix, sizeof kPrefix) == 0;
  }
  const uint8_t* v4() const noexcept { return bytes + 12; }
  static IpAddress from_v4(const uint8_t* four) noexcept {
    IpAddress out{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, four[0], four[1], four[2], four[3]}};
    return out;
  }
  bool operator==(const IpAddress&) const noexcept = default;
};
static_assert(sizeof(IpAddress) == 16);

// One TCP connection as this host sees it. Ports in host order.
struct Flow {
  IpAddress local;
  IpAddress remote;
  uint16_t local_port;
  uint16_t remote_port;
  bool operator==(const Flow&) const noexcept = default;
};

}  // namespace sluice::net
