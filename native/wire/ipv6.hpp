#pragma once

#include <cstdint>
#include <cstring>
#include <optional>

#include "base/bytes.hpp"

namespace sluice::wire {

// A fixed IPv6 header (RFC 8200 §3).
class Ipv6View {
 public:
  static constexpr uint32_t kBytes = 40;

  static std::optional<Ipv6View> parse(uint8_t* data, uint32_t length) noexcept {
    if (length < kBytes || data[0] >> 4 != 6) return std::nullopt;
    Ipv6View view(data);
    if (kBytes + view.payload_bytes() > length) return std::nullopt;
    return view;
  }
  // As quoted in an ICMPv6 error, where the payload may be cut off (RFC 4443 §3).
  static std::optional<Ipv6View> parse_quoted(uint8_t* data, uint32_t length) noexcept {
    if (length < kBytes || data[0] >> 4 != 6) return std::nullopt;
    return Ipv6View(data);
  }

  uint8_t traffic_class() const noexcept { return static_cast<uint8_t>(load_be16(data_) >> 4); }
  uint8_t ecn() const noexcept { return traffic_class() & 3; }
  uint32_t flow_label() const noexcept { return load_be32(data_) & 0xfffff; }
  // Of everything behind this header, extension headers included.
  uint16_t payload_bytes() const noexcept { return load_be16(data_ + 4); }
  uint8_t next_header() const noexcept { return data_[6]; }
  uint8_t hop_limit() const noexcept { return data_[7]; }
  const uint8_t* source() const noexcept { return data_ + 8; }
  const uint8_t* target() const noexcept { return data_ + 24; }
  uint8_t* payload() const noexcept { return data_ + kBytes; }

  struct Fields {
    uint16_t payload_bytes;
    uint8_t next_header;
    uint8_t traffic_class = 0;
    uint8_t hop_limit = 64;
    uint32_t flow_label = 0;
    const uint8_t* source;
    const uint8_t* target;
  };
  static void write(uint8_t* at, const Fields& fields) noexcept {
    store_be32(at, 0x60000000u | static_cast<uint32_t>(fields.traffic_class) << 20 | (fields.flow_label & 0xfffff));
    store_be16(at + 4, fields.payload_bytes);
    at[6] = fields.next_header;
    at[7] = fields.hop_limit;
    std::memcpy(at + 8, fields.source, 16);
    std::memcpy(at + 24, fields.target, 16);
  }

 private:
  explicit Ipv6View(uint8_t* data) noexcept : data_(data) {}
  uint8_t* data_;
};

}  // namespace sluice::wire
