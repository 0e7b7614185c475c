#include "nic/flow_hash.hpp"

#include <array>
#include <cstring>

#include "base/bytes.hpp"

namespace sluice::nic {

namespace {

constexpr uint16_t kTypeIpv4 = 0x0800;
constexpr uint16_t kTypeIpv6 = 0x86dd;
constexpr uint8_t kTcp = 6;
constexpr uint8_t kIcmp = 1;
constexpr uint8_t kIcmpv6 = 58;

constexpr uint16_t rotate(uint16_t value, uint32_t by) noexcept {
  return static_cast<uint16_t>(value << by | value >> ((16 - by) & 15));
}

// Contributions of the bits of one byte that begins `first` bits into a word. As the key repeats each 16 bits, every word of the input
// counts alike, and the hash of all of them is that of their exclusive or.
constexpr std::array<uint16_t, 256> table(uint32_t first) noexcept {
  constexpr uint16_t key = kSymmetricPair[0] << 8 | kSymmetricPair[1];
  std::array<uint16_t, 256> out{};
  for (uint32_t byte = 0; byte < 256; ++byte) {
    for (uint32_t bit = 0; bit < 8; ++bit) {
      if ((byte >> (7 - bit) & 1) != 0) out[byte] ^= rotate(key, first + bit);
    }
  }
  return out;
}

constexpr std::array<uint16_t, 256> kHigh = table(0);
constexpr std::array<uint16_t, 256> kLow = table(8);

uint16_t fold(const uint8_t* bytes, uint32_t count) noexcept {
  uint16_t words = 0;
  for (uint32_t i = 0; i < count; i += 2) {
    uint16_t word;
    std::memcpy(&word, bytes + i, sizeof word);
    words ^= word;
  }
  return words;
}

// `addresses` and `ports` as fold() leaves them, in the order of the wire.
uint16_t toeplitz(uint16_t addresses, uint16_t ports) noexcept {
  const uint16_t words = addresses ^ ports;
  return kHigh[words & 0xff] ^ kLow[words >> 8];
}

struct Span {
  const uint8_t* data;
  uint32_t length;

  bool has(uint32_t bytes) const noexcept { return length >= bytes; }
  Span from(uint32_t at) const noexcept { return {data + at, length - at}; }
};

// What stands behind the headers of an IP packet.
struct Upper {
  uint8_t protocol;
  uint16_t addresses;
  Span text;
};

std::optional<Upper> upper_of_v4(Span ip) noexcept {
  if (!ip.has(20) || ip.data[0] >> 4 != 4) return std::nullopt;
  const uint32_t header = (ip.data[0] & 0x0fu) * 4;
  const bool fragment = (load_be16(ip.data + 6) & 0x3fff) != 0;
  if (header < 20 || !ip.has(header) || fragment) return std::nullopt;
  return Upper{ip.data[9], fold(ip.data + 12, 8), ip.from(header)};
}

std::optional<Upper> upper_of_v6(Span ip) noexcept {
  if (!ip.has(40) || ip.data[0] >> 4 != 6) return std::nullopt;
  const uint16_t addresses = fold(ip.data + 8, 32);
  uint8_t next = ip.data[6];
  Span text = ip.from(40);
  // Hop-by-hop options, routing and destination options (RFC 8200 §4); more than these in a row are nobody's.
  for (int headers = 0; headers < 4 && (next == 0 || next == 43 || next == 60); ++headers) {
    if (!text.has(8)) return std::nullopt;
    const uint32_t bytes = (text.data[1] + 1u) * 8;
    if (!text.has(bytes)) return std::nullopt;
    next = text.data[0];
    text = text.from(bytes);
  }
  return Upper{next, addresses, text};
}

bool is_error(const Upper& upper) noexcept {
  if (!upper.text.has(8)) return false;
  const uint8_t type = upper.text.data[0];
  if (upper.protocol == kIcmp) return type == 3 || type == 11 || type == 12;
  return upper.protocol == kIcmpv6 && type >= 1 && type <= 4;
}

std::optional<uint16_t> hash_of(const std::optional<Upper>& upper) noexcept {
  if (!upper || upper->protocol != kTcp || !upper->text.has(4)) return std::nullopt;
  return toeplitz(upper->addresses, fold(upper->text.data, 4));
}

}  // namespace

std::optional<uint16_t> flow_hash(const uint8_t* frame, uint32_t length) noexcept {
  Span rest{frame, length};
  if (!rest.has(14)) return std::nullopt;
  uint16_t type = load_be16(frame + 12);
  rest = rest.from(14);
  // One tag, or two (IEEE 802.1Q, 802.1ad).
  for (int tags = 0; tags < 2 && (type == 0x8100 || type == 0x88a8); ++tags) {
    if (!rest.has(4)) return std::nullopt;
    type = load_be16(rest.data + 2);
    rest = rest.from(4);
  }
  if (type != kTypeIpv4 && type != kTypeIpv6) return std::nullopt;
  const bool v4 = type == kTypeIpv4;
  const std::optional<Upper> upper = v4 ? upper_of_v4(rest) : upper_of_v6(rest);
  if (!upper || !is_error(*upper)) return hash_of(upper);
  const Span quoted = upper->text.from(8);
  return hash_of(v4 ? upper_of_v4(quoted) : upper_of_v6(quoted));
}

}  // namespace sluice::nic
