#pragma once

#include <cstdint>
#include <cstring>
#include <optional>

#include "base/bytes.hpp"

// Views of headers: parse() checks the lengths once, and then no accessor can read outside. A view that was not parsed does not
// exist. write() functions fill in a header completely.

namespace sluice::wire {

inline constexpr uint16_t kTypeIpv4 = 0x0800;
inline constexpr uint16_t kTypeArp = 0x0806;
inline constexpr uint16_t kTypeVlan = 0x8100;
inline constexpr uint16_t kTypeServiceVlan = 0x88a8;
inline constexpr uint16_t kTypeIpv6 = 0x86dd;

inline constexpr uint32_t kMacBytes = 6;

// An Ethernet II header, with or without one IEEE 802.1Q tag.
class EthernetView {
 public:
  static constexpr uint32_t kBytes = 14;
  static constexpr uint32_t kTagBytes = 4;

  static std::optional<EthernetView> parse(uint8_t* data, uint32_t length) noexcept {
    if (length < kBytes) return std::nullopt;
    EthernetView view(data);
    if (!view.tagged()) return view;
    if (length < kBytes + kTagBytes) return std::nullopt;
    return view;
  }

  // Of at least kBytes.
  static EthernetView parsed(uint8_t* data) noexcept { return EthernetView(data); }

  const uint8_t* target() const noexcept { return data_; }
  const uint8_t* source() const noexcept { return data_ + kMacBytes; }
  bool multicast() const noexcept { return (data_[0] & 1) != 0; }
  bool tagged() const noexcept { return load_be16(data_ + 12) == kTypeVlan; }
  // Tag control information; 0 where there is no tag.
  uint16_t tag() const noexcept { return tagged() ? load_be16(data_ + 14) : 0; }
  uint16_t type() const noexcept { return load_be16(data_ + (tagged() ? 16 : 12)); }
  // Where it stands in a frame without a tag: that of a tag in others.
  uint16_t untagged_type() const noexcept { return load_be16(data_ + 12); }
  uint32_t header_bytes() const noexcept { return tagged() ? kBytes + kTagBytes : kBytes; }

  // vlan 0: no tag. Returns the bytes written.
  static uint32_t write(uint8_t* at, const uint8_t* target, const uint8_t* source, uint16_t type, uint16_t vlan) noexcept {
    std::memcpy(at, target, kMacBytes);
    std::memcpy(at + kMacBytes, source, kMacBytes);
    if (vlan == 0) {
      store_be16(at + 12, type);
      return kBytes;
    }
    store_be16(at + 12, kTypeVlan);
    store_be16(at + 14, vlan);
    store_be16(at + 16, type);
    return kBytes + kTagBytes;
  }

 private:
  explicit EthernetView(uint8_t* data) noexcept : data_(data) {}
  uint8_t* data_;
};

}  // namespace sluice::wire
