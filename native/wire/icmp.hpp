#pragma once

#include <cstdint>
#include <optional>

#include "base/bytes.hpp"
#include "wire/checksum.hpp"

namespace sluice::wire {

// The common head of an ICMP message (RFC 792) and of an ICMPv6 one (RFC 4443): type, code, checksum and four bytes by type.
class IcmpView {
 public:
  static constexpr uint32_t kBytes = 8;

  static std::optional<IcmpView> parse(uint8_t* data, uint32_t length) noexcept {
    if (length < kBytes) return std::nullopt;
    return IcmpView(data, length);
  }

  uint8_t type() const noexcept { return data_[0]; }
  uint8_t code() const noexcept { return data_[1]; }
  uint32_t rest() const noexcept { return load_be32(data_ + 4); }
  // Next hop's MTU: the lower half in ICMP (RFC 1191 §4), all of it in ICMPv6 (RFC 4443 §3.2).
  uint16_t mtu_v4() const noexcept { return load_be16(data_ + 6); }
  uint32_t mtu_v6() const noexcept { return load_be32(data_ + 4); }
  uint8_t* body() const noexcept { return data_ + kBytes; }
  uint32_t body_bytes() const noexcept { return length_ - kBytes; }
  // Over the message alone, as ICMP has it; ICMPv6 begins with the pseudo-header's sum.
  bool checksum_good(Checksum sum = {}) const noexcept {
    sum.add(data_, length_);
    return sum.good();
  }

  // Head with the checksum over `length` bytes at `at`, whose body is written already. `sum` holds the pseudo-header for ICMPv6.
  static void write(uint8_t* at, uint32_t length, uint8_t type, uint8_t code, uint32_t rest, Checksum sum = {}) noexcept {
    at[0] = type;
    at[1] = code;
    store_be16(at + 2, 0);
    store_be32(at + 4, rest);
    sum.add(at, length);
    store_checksum(at + 2, sum.finish());
  }

 private:
  IcmpView(uint8_t* data, uint32_t length) noexcept : data_(data), length_(length) {}
  uint8_t* data_;
  uint32_t length_;
};

namespace icmp {
inline constexpr uint8_t kEchoReply = 0;
inline constexpr uint8_t kUnreachable = 3;
inline constexpr uint8_t kEcho = 8;
inline constexpr uint8_t kTimeExceeded = 11;
inline constexpr uint8_t kParameterProblem = 12;
inline constexpr uint8_t kCodeNet = 0;
inline constexpr uint8_t kCodeHost = 1;
inline constexpr uint8_t kCodeProtocol = 2;
inline constexpr uint8_t kCodePort = 3;
inline constexpr uint8_t kCodeTooBig = 4;
}  // namespace icmp

}  // namespace sluice::wire
