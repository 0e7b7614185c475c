#pragma once

#include <cstdint>
#include <optional>

#include "base/bytes.hpp"

namespace sluice::wire {

enum TcpFlag : uint8_t {
  kFin = 0x01,
  kSyn = 0x02,
  kRst = 0x04,
  kPsh = 0x08,
  kAck = 0x10,
  kUrg = 0x20,
  kEce = 0x40,
  kCwr = 0x80,
};

// A TCP header with its options (RFC 9293 §3.1).
class TcpView {
 public:
  static constexpr uint32_t kMinBytes = 20;
  static constexpr uint32_t kMaxBytes = 60;

  static std::optional<TcpView> parse(uint8_t* data, uint32_t length) noexcept {
    if (!fits(data, length)) return std::nullopt;
    return TcpView(data);
  }
  // Both in two steps, where nearly all headers are right: an optional is kept in memory. parsed() is for what fits() has let pass.
  static bool fits(uint8_t* data, uint32_t length) noexcept {
    if (length < kMinBytes) return false;
    const uint32_t header = TcpView(data).header_bytes();
    return header >= kMinBytes && header <= length;
  }
  static TcpView parsed(uint8_t* data) noexcept { return TcpView(data); }

  uint16_t source_port() const noexcept { return load_be16(data_); }
  uint16_t target_port() const noexcept { return load_be16(data_ + 2); }
  uint32_t seq() const noexcept { return load_be32(data_ + 4); }
  uint32_t ack() const noexcept { return load_be32(data_ + 8); }
  uint32_t header_bytes() const noexcept { return (data_[12] >> 4) * 4u; }
  uint8_t flags() const noexcept { return data_[13]; }
  uint16_t window() const noexcept { return load_be16(data_ + 14); }
  const uint8_t* options() const noexcept { return data_ + kMinBytes; }
  uint32_t options_bytes() const noexcept { return header_bytes() - kMinBytes; }

  static constexpr uint32_t kChecksumOffset = 16;

  struct Fields {
    uint16_t source_port;
    uint16_t target_port;
    uint32_t seq;
    uint32_t ack;
    uint16_t window;
    uint8_t header_bytes;  // options included, a multiple of four
    uint8_t flags;
  };
  // The twenty fixed bytes; checksum and urgent pointer are zero. In the pieces that Checksum::add_header() reads.
  static void write(uint8_t* at, const Fields& fields) noexcept {
    const uint32_t ports = static_cast<uint32_t>(fields.source_port) << 16 | fields.target_port;
    const uint32_t last = (fields.header_bytes / 4u) << 28 | static_cast<uint32_t>(fields.flags) << 16 | fields.window;
    store_be64(at, static_cast<uint64_t>(ports) << 32 | fields.seq);
    store_be64(at + 8, static_cast<uint64_t>(fields.ack) << 32 | last);
    store_be32(at + 16, 0);
  }

 private:
  explicit TcpView(uint8_t* data) noexcept : data_(data) {}
  uint8_t* data_;
};

}  // namespace sluice::wire
