#pragma once

#include <cstdint>
#include <cstring>

#include "base/bytes.hpp"

namespace sluice::load {

enum Opcode : uint8_t { kContinuation = 0, kText = 1, kBinary = 2, kClose = 8, kPing = 9, kPong = 10 };

struct Frame {
  uint8_t opcode;
  bool fin;
  const uint8_t* payload;
  uint64_t length;
};

enum class ParseResult : uint8_t { kFrame, kNeedMore, kInvalid };

// Reads one server frame at `data`; `used` is its size with the header. kInvalid: masked, reserved bits or an unknown
// opcode, none of which a server may send when no extension was offered (RFC 6455 §5.1, §5.2).
inline ParseResult parse_frame(const uint8_t* data, uint64_t available, Frame& out, uint64_t& used) noexcept {
  if (available < 2) return ParseResult::kNeedMore;
  uint8_t first = data[0];
  uint8_t second = data[1];
  uint8_t opcode = first & 0x0f;
  if ((first & 0x70) != 0 || (second & 0x80) != 0) return ParseResult::kInvalid;
  if (opcode > kBinary && (opcode < kClose || opcode > kPong)) return ParseResult::kInvalid;
  uint64_t length = second;
  uint64_t header = 2;
  if (length == 126) {
    if (available < 4) return ParseResult::kNeedMore;
    length = load_be16(data + 2);
    header = 4;
  } else if (length == 127) {
    if (available < 10) return ParseResult::kNeedMore;
    length = load_be64(data + 2);
    header = 10;
  }
  if (length > (uint64_t{1} << 32)) return ParseResult::kInvalid;
  used = header + length;
  if (available < used) return ParseResult::kNeedMore;
  out = {opcode, (first & 0x80) != 0, data + header, length};
  return ParseResult::kFrame;
}

inline constexpr uint32_t kMaxClientHeader = 14;

// Writes the header of a masked frame and returns its size; the mask follows from `key`.
inline uint32_t write_client_header(uint8_t* out, uint8_t opcode, uint64_t length, uint32_t key) noexcept {
  out[0] = static_cast<uint8_t>(0x80 | opcode);
  uint32_t at = 2;
  if (length < 126) {
    out[1] = static_cast<uint8_t>(0x80 | length);
  } else if (length < 65536) {
    out[1] = 0x80 | 126;
    store_be16(out + 2, static_cast<uint16_t>(length));
    at = 4;
  } else {
    out[1] = 0x80 | 127;
    store_be64(out + 2, length);
    at = 10;
  }
  std::memcpy(out + at, &key, sizeof key);
  return at + 4;
}

// dst = src masked with `key`; the loop is one that the compiler turns into vector instructions.
inline void copy_masked(uint8_t* dst, const uint8_t* src, uint64_t length, uint32_t key) noexcept {
  uint64_t wide = key | static_cast<uint64_t>(key) << 32;
  uint64_t i = 0;
  for (; i + 8 <= length; i += 8) {
    uint64_t word;
    std::memcpy(&word, src + i, sizeof word);
    word ^= wide;
    std::memcpy(dst + i, &word, sizeof word);
  }
  for (; i < length; ++i) dst[i] = static_cast<uint8_t>(src[i] ^ (key >> (8 * (i & 3))));
}

}  // namespace sluice::load
