#pragma once

#include <cstdint>

#include "ws/utf8.hpp"

// RFC 6455 §5: an incremental parser of client frames. It keeps sixteen bytes a connection, owns no buffer, unmasks in
// place and never looks at a byte twice.

namespace sluice::ws {

enum class Opcode : uint8_t { kContinuation = 0, kText = 1, kBinary = 2, kClose = 8, kPing = 9, kPong = 10 };

// Close codes of RFC 6455 §7.4.1 that this side sends.
enum CloseCode : uint16_t {
  kCloseNormal = 1000,
  kCloseGoingAway = 1001,
  kCloseProtocolError = 1002,
  kCloseNoStatus = 1005,   // never on the wire: a close frame without a code
  kCloseAbnormal = 1006,   // never on the wire: the stream ended without a close frame
  kCloseBadPayload = 1007,
  kClosePolicy = 1008,
  kCloseTooBig = 1009,
  kCloseInternal = 1011,
  kCloseRestart = 1012,
  kCloseTryLater = 1013,
};

struct ParserState {
  uint32_t mask = 0;             // rotated to the next payload byte of the frame in progress
  uint32_t frame_remaining = 0;  // payload bytes of the frame in progress that have not come yet
  uint32_t message_length = 0;   // bytes of the message in progress so far
  Utf8State utf8 = kUtf8Accept;
  uint8_t message_opcode = 0;    // 0: no message in progress
  uint8_t in_frame = 0;          // 1: inside a data frame's payload
  uint8_t frame_final = 0;       // FIN of the frame in progress

  // Neither a frame nor a message is in progress.
  bool idle() const noexcept { return (message_opcode | in_frame) == 0; }
};
static_assert(sizeof(ParserState) == 16);

enum class ItemKind : uint8_t {
  kNeedMore,  // the rest of the input (parser.cursor up to end) is an incomplete header or control frame: at most
              // kMaxIncomplete bytes, to be presented again in front of what comes next
  kData,      // a piece of a data message: unmasked, validated. `first` and `last` say where in the message it stands; a
              // piece may be empty when it is the first or last
  kPing,
  kPong,
  kClose,     // code (kCloseNoStatus where the frame had none) and reason; the code is one that may be echoed
  kError,     // code to close with; nothing after it may be parsed
};

struct Item {
  ItemKind kind;
  bool first;
  bool last;
  bool text;           // kData: the message's kind
  uint16_t code;       // kClose, kError
  const char* detail;  // kError: a static string for the close reason
  uint8_t* data;
  uint32_t length;
};

inline constexpr uint32_t kMaxIncomplete = 131;  // header 2 + extended length 0 + mask 4 + control payload 125

struct ParserLimits {
  uint32_t max_message;  // bytes; a message that would be longer is kError 1009, seen in its frame header
};

// Takes the next item out of [*cursor, end) and moves *cursor behind it. Returns kNeedMore with *cursor == end when all was
// consumed. UTF-8 of text messages is validated as it arrives, so that a bad byte fails at once (RFC 6455 §8.1).
Item next_item(ParserState& state, uint8_t*& cursor, uint8_t* end, const ParserLimits& limits);

inline constexpr uint32_t kMaxServerHeader = 10;

// Writes the header of an unmasked, final frame and returns its size: 2, 4 or 10.
uint32_t write_long_frame_header(uint8_t* out, Opcode opcode, uint64_t payload_length);
inline uint32_t write_frame_header(uint8_t* out, Opcode opcode, uint64_t payload_length) {
  if (payload_length > 125) return write_long_frame_header(out, opcode, payload_length);
  out[0] = static_cast<uint8_t>(0x80u | static_cast<uint32_t>(opcode));
  out[1] = static_cast<uint8_t>(payload_length);
  return 2;
}

// Writes a close frame (header and payload) of at most 127 bytes; `reason` is cut at a character boundary to 123 bytes.
// A code of 0 or kCloseNoStatus makes an empty one. Returns its size.
uint32_t write_close_frame(uint8_t* out, uint16_t code, const char* reason, uint32_t reason_length);

// RFC 6455 §7.4: may this code stand in a close frame?
bool close_code_valid(uint16_t code);

}  // namespace sluice::ws
