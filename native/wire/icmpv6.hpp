#pragma once

#include <cstdint>
#include <cstring>
#include <optional>

#include "base/bytes.hpp"

namespace sluice::wire {

namespace icmpv6 {
inline constexpr uint8_t kUnreachable = 1;
inline constexpr uint8_t kTooBig = 2;
inline constexpr uint8_t kTimeExceeded = 3;
inline constexpr uint8_t kParameterProblem = 4;
inline constexpr uint8_t kEcho = 128;
inline constexpr uint8_t kEchoReply = 129;
inline constexpr uint8_t kListenerQuery = 130;
inline constexpr uint8_t kListenerReportV1 = 131;
inline constexpr uint8_t kRouterSolicitation = 133;
inline constexpr uint8_t kRouterAdvertisement = 134;
inline constexpr uint8_t kNeighborSolicitation = 135;
inline constexpr uint8_t kNeighborAdvertisement = 136;
inline constexpr uint8_t kRedirect = 137;
inline constexpr uint8_t kListenerReportV2 = 143;
}  // namespace icmpv6

// Neighbour solicitation or advertisement (RFC 4861 §4.3, §4.4): an ICMPv6 message of at least 24 bytes with a target and options.
class NeighborView {
 public:
  static constexpr uint32_t kBytes = 24;
  static constexpr uint8_t kOptionSourceMac = 1;
  static constexpr uint8_t kOptionTargetMac = 2;
  static constexpr uint32_t kFlagRouter = 1u << 31;
  static constexpr uint32_t kFlagSolicited = 1u << 30;
  static constexpr uint32_t kFlagOverride = 1u << 29;

  // Checks every option's length too: one of 0 makes the message invalid (RFC 4861 §4.6).
  static std::optional<NeighborView> parse(const uint8_t* data, uint32_t length) noexcept {
    if (length < kBytes) return std::nullopt;
    for (uint32_t at = kBytes; at < length;) {
      if (length - at < 2) return std::nullopt;
      const uint32_t bytes = data[at + 1] * 8u;
      if (bytes == 0 || bytes > length - at) return std::nullopt;
      at += bytes;
    }
    return NeighborView(data, length);
  }

  uint32_t flags() const noexcept { return load_be32(data_ + 4); }
  const uint8_t* target() const noexcept { return data_ + 8; }
  // The link-layer address in the option of that type, or null.
  const uint8_t* mac(uint8_t option) const noexcept {
    for (uint32_t at = kBytes; at < length_; at += data_[at + 1] * 8u) {
      if (data_[at] == option && data_[at + 1] == 1) return data_ + at + 2;
    }
    return nullptr;
  }

  static constexpr uint32_t kBytesWithMac = 32;
  // Everything behind the common head of eight bytes (see IcmpView::write): target and one option with a MAC.
  static void write_body(uint8_t* message, const uint8_t* target, uint8_t option, const uint8_t* mac) noexcept {
    std::memcpy(message + 8, target, 16);
    message[24] = option;
    message[25] = 1;
    std::memcpy(message + 26, mac, 6);
  }

 private:
  NeighborView(const uint8_t* data, uint32_t length) noexcept : data_(data), length_(length) {}
  const uint8_t* data_;
  uint32_t length_;
};

}  // namespace sluice::wire
