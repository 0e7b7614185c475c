#pragma once

#include <cstdint>
#include <cstring>

#include "net/address.hpp"
#include "nic/nic.hpp"

// Addresses that mean something by their form (RFC 6890, RFC 4291).

namespace sluice::net {

inline constexpr IpAddress kUnspecifiedV6{{}};
inline constexpr IpAddress kAllNodes{{0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}};
inline constexpr nic::MacAddress kBroadcastMac{{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};

inline bool is_multicast(const IpAddress& address) noexcept {
  return address.is_v4() ? (address.v4()[0] & 0xf0) == 0xe0 : address.bytes[0] == 0xff;
}

inline bool is_link_local_v6(const IpAddress& address) noexcept { return address.bytes[0] == 0xfe && (address.bytes[1] & 0xc0) == 0x80; }

// May not be the source of anything that is answered: "this network", loopback, multicast, reserved and broadcast (RFC 1122 §3.2.1.3).
inline bool is_martian_source_v4(const uint8_t* four) noexcept { return four[0] == 0 || four[0] == 127 || four[0] >= 224; }

// ::/96 with ::1 and ::, mapped IPv4 (which would alias a real IPv4 flow) and multicast (RFC 4291 §2.5.3, §2.5.5, §2.7).
inline bool is_martian_source_v6(const uint8_t* address) noexcept {
  static constexpr uint8_t kZero[10] = {};
  if (address[0] == 0xff) return true;
  if (std::memcmp(address, kZero, sizeof kZero) != 0) return false;
  return (address[10] == 0xff && address[11] == 0xff) || (address[10] == 0 && address[11] == 0);
}

inline IpAddress ip_v6(const uint8_t* sixteen) noexcept {
  IpAddress out;
  std::memcpy(out.bytes, sixteen, sizeof out.bytes);
  return out;
}

// RFC 4291 appendix A: the MAC with its universal bit flipped and ff:fe in its middle.
inline IpAddress link_local_of(const nic::MacAddress& mac) noexcept {
  const uint8_t* m = mac.bytes;
  return {{0xfe, 0x80, 0, 0, 0, 0, 0, 0, static_cast<uint8_t>(m[0] ^ 2), m[1], m[2], 0xff, 0xfe, m[3], m[4], m[5]}};
}

// RFC 4291 §2.7.1
inline IpAddress solicited_node(const IpAddress& address) noexcept {
  const uint8_t* b = address.bytes;
  return {{0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, b[13], b[14], b[15]}};
}

// RFC 2464 §7
inline nic::MacAddress multicast_mac(const IpAddress& group) noexcept {
  return {{0x33, 0x33, group.bytes[12], group.bytes[13], group.bytes[14], group.bytes[15]}};
}

inline bool same_mac(const uint8_t* a, const uint8_t* b) noexcept { return std::memcmp(a, b, sizeof(nic::MacAddress)) == 0; }

}  // namespace sluice::net
