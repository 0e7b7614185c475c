#pragma once

#include <cstdint>
#include <cstring>

#include "base/bytes.hpp"

namespace sluice::net {

// An IPv6 address, or an IPv4 one in its mapped form ::ffff:a.b.c.d (RFC 4291 §2.5.5.2); network order.
struct IpAddress {
  uint8_t bytes[16];

  bool is_v4() const noexcept {
    // By words: of a comparison of twelve bytes GCC makes a call of the C library in some places.
    return load_be64(bytes) == 0 && load_be32(bytes + 8) == 0xffff;
  }
  const uint8_t* v4() const noexcept { return bytes + 12; }
  // Made of words: sixteen bytes that were stored one by one cannot be forwarded to the loads that copy them.
  static IpAddress from_v4(const uint8_t* four) noexcept {
    uint32_t address;
    std::memcpy(&address, four, sizeof address);
    const uint64_t words[2] = {0, static_cast<uint64_t>(address) << 32 | 0xffff0000};
    IpAddress out;
    std::memcpy(out.bytes, words, sizeof words);
    return out;
  }
  // Two words: the default would compare byte by byte, for every segment that comes.
  bool operator==(const IpAddress& other) const noexcept {
    uint64_t mine[2];
    uint64_t its[2];
    std::memcpy(mine, bytes, sizeof mine);
    std::memcpy(its, other.bytes, sizeof its);
    return ((mine[0] ^ its[0]) | (mine[1] ^ its[1])) == 0;
  }
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
