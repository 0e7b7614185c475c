#pragma once

#include <cstdint>
#include <cstring>
#include <optional>

#include "base/bytes.hpp"
#include "wire/checksum.hpp"

namespace sluice::wire {

inline constexpr uint8_t kProtocolIcmp = 1;
inline constexpr uint8_t kProtocolTcp = 6;
inline constexpr uint8_t kProtocolUdp = 17;
inline constexpr uint8_t kProtocolIcmpv6 = 58;

// An IPv4 header with its options (RFC 791). parse() checks version and lengths against what came; the checksum is the caller's,
// who knows whether the NIC has verified it.
class Ipv4View {
 public:
  static constexpr uint32_t kMinBytes = 20;

  static std::optional<Ipv4View> parse(uint8_t* data, uint32_t length) noexcept {
    if (length < kMinBytes || data[0] >> 4 != 4) return std::nullopt;
    Ipv4View view(data);
    if (view.header_bytes() < kMinBytes || view.header_bytes() > view.total_bytes() || view.total_bytes() > length) return std::nullopt;
    return view;
  }
  // A whole packet without options, which parsed() is for (as in tcp.hpp).
  static bool is_plain(uint8_t* data, uint32_t length) noexcept {
    if (length < kMinBytes || data[0] != 0x45) return false;
    const Ipv4View view(data);
    return !view.is_fragment() && view.total_bytes() >= kMinBytes && view.total_bytes() <= length;
  }
  static Ipv4View parsed(uint8_t* data) noexcept { return Ipv4View(data); }
  // As quoted in an ICMP error: the header must be whole, what follows it may be cut off (RFC 792, RFC 1812 §4.3.2.3).
  static std::optional<Ipv4View> parse_quoted(uint8_t* data, uint32_t length) noexcept {
    if (length < kMinBytes || data[0] >> 4 != 4) return std::nullopt;
    Ipv4View view(data);
    if (view.header_bytes() < kMinBytes || view.header_bytes() > length) return std::nullopt;
    return view;
  }

  uint32_t header_bytes() const noexcept { return (data_[0] & 0x0fu) * 4; }
  uint8_t tos() const noexcept { return data_[1]; }
  uint8_t ecn() const noexcept { return data_[1] & 3; }
  uint16_t total_bytes() const noexcept { return load_be16(data_ + 2); }
  uint32_t payload_bytes() const noexcept { return total_bytes() - header_bytes(); }
  uint16_t identification() const noexcept { return load_be16(data_ + 4); }
  bool more_fragments() const noexcept { return (data_[6] & 0x20) != 0; }
  uint32_t fragment_offset() const noexcept { return (load_be16(data_ + 6) & 0x1fffu) * 8; }
  bool dont_fragment() const noexcept { return (data_[6] & 0x40) != 0; }
  bool is_fragment() const noexcept { return (load_be16(data_ + 6) & 0x3fff) != 0; }
  uint8_t ttl() const noexcept { return data_[8]; }
  uint8_t protocol() const noexcept { return data_[9]; }
  const uint8_t* source() const noexcept { return data_ + 12; }
  const uint8_t* target() const noexcept { return data_ + 16; }
  uint8_t* payload() const noexcept { return data_ + header_bytes(); }
  // Loose or strict (RFC 791 §3.1).
  bool has_source_route() const noexcept {
    for (uint32_t at = kMinBytes; at < header_bytes();) {
      const uint8_t kind = data_[at];
      if (kind == 131 || kind == 137) return true;
      if (kind == 0) return false;
      const uint32_t rest = header_bytes() - at;
      const uint32_t bytes = kind == 1 ? 1 : rest < 2 ? 0 : data_[at + 1];
      if (bytes == 0 || bytes > rest) return false;
      at += bytes;
    }
    return false;
  }
  bool checksum_good() const noexcept {
    Checksum sum;
    if (header_bytes() == kMinBytes) {
      uint32_t words[kMinBytes / 4];
      std::memcpy(words, data_, sizeof words);
      sum.add_sum(sum_of(words));
    } else {
      sum.add(data_, header_bytes());
    }
    return sum.good();
  }

  struct Fields {
    uint16_t total_bytes;
    uint16_t identification = 0;  // free where don't-fragment is set (RFC 6864 §4.1)
    uint8_t tos = 0;
    uint8_t ttl = 64;
    uint8_t protocol;
    bool dont_fragment = true;
    uint16_t fragment = 0;        // more-fragments and offset, as they stand in the header
    const uint8_t* source;
    const uint8_t* target;
  };
  // A header without options, its checksum included. Made of words: a sum over bytes that were stored one by one would wait for them, and
  // so would a copy of an array of words, which is read in larger pieces than those that were just stored.
  static void write(uint8_t* at, const Fields& fields) noexcept {
    const uint32_t size = __builtin_bswap32(0x4500'0000u | static_cast<uint32_t>(fields.tos) << 16 | fields.total_bytes);
    const uint32_t flags = fields.fragment | (fields.dont_fragment ? 0x4000u : 0u);
    const uint32_t parts = __builtin_bswap32(static_cast<uint32_t>(fields.identification) << 16 | flags);
    const uint32_t kind = __builtin_bswap32(static_cast<uint32_t>(fields.ttl) << 24 | static_cast<uint32_t>(fields.protocol) << 16);
    uint32_t source;
    uint32_t target;
    std::memcpy(&source, fields.source, sizeof source);
    std::memcpy(&target, fields.target, sizeof target);
    Checksum sum;
    sum.add_sum(uint64_t{size} + parts + kind + source + target);
    const uint64_t first = uint64_t{parts} << 32 | size;
    const uint64_t second = uint64_t{source} << 32 | kind | static_cast<uint32_t>(sum.finish()) << 16;
    std::memcpy(at, &first, sizeof first);
    std::memcpy(at + 8, &second, sizeof second);
    std::memcpy(at + 16, &target, sizeof target);
  }

 private:
  explicit Ipv4View(uint8_t* data) noexcept : data_(data) {}
  static uint64_t sum_of(const uint32_t (&words)[kMinBytes / 4]) noexcept {
    return uint64_t{words[0]} + words[1] + words[2] + words[3] + words[4];
  }
  uint8_t* data_;
};

}  // namespace sluice::wire
