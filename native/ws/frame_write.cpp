#include <cstring>

#include "base/assert.hpp"
#include "base/bytes.hpp"
#include "ws/frame.hpp"

namespace sluice::ws {

namespace {

constexpr uint32_t kMaxReason = 123;  // RFC 6455 §5.5: 125 bytes of payload, two of them the code

// The longest prefix of at most kMaxReason bytes that does not end inside a character.
uint32_t cut_reason(const char* reason, uint32_t length) {
  if (length <= kMaxReason) return length;
  uint32_t cut = kMaxReason;
  while (cut > 0 && (static_cast<uint8_t>(reason[cut]) & 0xc0) == 0x80) --cut;
  return cut;
}

}  // namespace

uint32_t write_long_frame_header(uint8_t* out, Opcode opcode, uint64_t payload_length) {
  SLUICE_ASSERT(payload_length > 125 && (payload_length >> 63) == 0);
  out[0] = static_cast<uint8_t>(0x80u | static_cast<uint32_t>(opcode));
  if (payload_length <= 0xffff) {
    out[1] = 126;
    store_be16(out + 2, static_cast<uint16_t>(payload_length));
    return 4;
  }
  out[1] = 127;
  store_be64(out + 2, payload_length);
  return kMaxServerHeader;
}

uint32_t write_close_frame(uint8_t* out, uint16_t code, const char* reason, uint32_t reason_length) {
  if (code == 0 || code == kCloseNoStatus) return write_frame_header(out, Opcode::kClose, 0);
  SLUICE_ASSERT(close_code_valid(code));
  const uint32_t length = cut_reason(reason, reason_length);
  const uint32_t header = write_frame_header(out, Opcode::kClose, 2 + length);
  store_be16(out + header, code);
  if (length != 0) std::memcpy(out + header + 2, reason, length);
  return header + 2 + length;
}

}  // namespace sluice::ws
