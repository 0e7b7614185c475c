#include "ws/frame.hpp"

#include <algorithm>
#include <cstddef>

#include "base/assert.hpp"
#include "base/bytes.hpp"
#include "ws/mask.hpp"
#include "ws/short_message.hpp"

namespace sluice::ws {

namespace {

constexpr uint32_t kFinal = 0x80;
constexpr uint32_t kReserved = 0x70;
constexpr uint32_t kControl = 0x08;
constexpr uint32_t kMasked = 0x80;
constexpr uint32_t kMaskBytes = 4;
constexpr uint32_t kLength16 = 126;
constexpr uint32_t kLength64 = 127;
constexpr uint32_t kMaxControl = 125;
static_assert(2 + kMaskBytes + kMaxControl == kMaxIncomplete);

constexpr uint8_t kTextOpcode = static_cast<uint8_t>(Opcode::kText);

struct Header {
  Opcode opcode;
  bool final;
  uint32_t size;    // bytes of the header itself, mask included
  uint32_t length;  // bytes of the payload
  uint32_t mask;
};

enum class HeaderResult : uint8_t { kWhole, kIncomplete, kBad };

struct Fault {
  uint16_t code = 0;
  const char* detail = nullptr;
};

Item need_more() { return {ItemKind::kNeedMore, false, false, false, 0, nullptr, nullptr, 0}; }

Item error(uint16_t code, const char* detail) { return {ItemKind::kError, false, false, false, code, detail, nullptr, 0}; }

Item data_item(bool first, bool last, bool text, uint8_t* data, uint32_t length) {
  return {ItemKind::kData, first, last, text, 0, nullptr, data, length};
}

// §8.1: a text whose check stands at `state` when it may not.
Item bad_text(Utf8State state) {
  return error(kCloseBadPayload, state == kUtf8Reject ? "text is not UTF-8" : "text ends inside a character");
}

// What is wrong with the first byte of a frame, or nullptr.
const char* check_first_byte(const ParserState& state, uint32_t byte) {
  if ((byte & kReserved) != 0) return "reserved bit set without an extension";  // RFC 6455 §5.2: no extension is negotiated
  const uint32_t opcode = byte & 0x0f;
  if ((opcode & kControl) != 0) {
    if (opcode > static_cast<uint32_t>(Opcode::kPong)) return "unknown opcode";      // §5.2
    if ((byte & kFinal) == 0) return "fragmented control frame";                     // §5.5
    return nullptr;
  }
  if (opcode > static_cast<uint32_t>(Opcode::kBinary)) return "unknown opcode";      // §5.2
  const bool continuation = opcode == static_cast<uint32_t>(Opcode::kContinuation);
  if (continuation && state.message_opcode == 0) return "continuation without a message";           // §5.4
  if (!continuation && state.message_opcode != 0) return "new message inside a fragmented message";  // §5.4
  return nullptr;
}

const char* check_second_byte(uint32_t first, uint32_t second) {
  if ((second & kMasked) == 0) return "client frame without a mask";  // §5.1
  if ((first & kControl) != 0 && (second & 0x7f) > kMaxControl) return "control frame longer than 125 bytes";  // §5.5
  return nullptr;
}

// Reads the payload length and the size of the length field's extension. §5.2: the shortest form must be used, and the top bit of
// the longest is 0.
HeaderResult read_length(const uint8_t* p, size_t available, uint64_t& length, uint32_t& extension, Fault& fault) {
  length = p[1] & 0x7fu;
  extension = length == kLength16 ? 2 : length == kLength64 ? 8 : 0;
  if (extension == 0) return HeaderResult::kWhole;
  if (available < 2 + extension) return HeaderResult::kIncomplete;
  length = extension == 2 ? load_be16(p + 2) : load_be64(p + 2);
  if ((length >> 63) != 0) {
    fault = {kCloseProtocolError, "payload length with its top bit set"};
    return HeaderResult::kBad;
  }
  if (length < (extension == 2 ? kLength16 : 0x10000u)) {
    fault = {kCloseProtocolError, "payload length not in its shortest form"};
    return HeaderResult::kBad;
  }
  return HeaderResult::kWhole;
}

// Checks stand in the order of the bytes they need, so that each fails as early as it can and the verdict does not depend on how the
// stream was cut.
HeaderResult read_header(const ParserState& state, const uint8_t* p, size_t available, uint32_t max_message, Header& out, Fault& fault) {
  if (available < 1) return HeaderResult::kIncomplete;
  if (const char* detail = check_first_byte(state, p[0])) {
    fault = {kCloseProtocolError, detail};
    return HeaderResult::kBad;
  }
  if (available < 2) return HeaderResult::kIncomplete;
  if (const char* detail = check_second_byte(p[0], p[1])) {
    fault = {kCloseProtocolError, detail};
    return HeaderResult::kBad;
  }
  uint64_t length = 0;
  uint32_t extension = 0;
  const HeaderResult result = read_length(p, available, length, extension, fault);
  if (result != HeaderResult::kWhole) return result;
  // The limit is applied before a byte of the payload is taken or room for it is made. Both terms are below 2^63: no overflow.
  if ((p[0] & kControl) == 0 && state.message_length + length > max_message) {
    fault = {kCloseTooBig, "message too big"};
    return HeaderResult::kBad;
  }
  if (available < 2 + extension + kMaskBytes) return HeaderResult::kIncomplete;
  out.opcode = static_cast<Opcode>(p[0] & 0x0f);
  out.final = (p[0] & kFinal) != 0;
  out.size = 2 + extension + kMaskBytes;
  out.length = static_cast<uint32_t>(length);
  std::memcpy(&out.mask, p + 2 + extension, sizeof out.mask);
  return HeaderResult::kWhole;
}

void end_message(ParserState& state) {
  state.message_opcode = 0;
  state.message_length = 0;
  state.utf8 = kUtf8Accept;
}

// Takes what is there of the payload of the frame in progress.
Item take_piece(ParserState& state, uint8_t*& cursor, uint8_t* end, bool first) {
  uint8_t* const data = cursor;
  const auto length = static_cast<uint32_t>(std::min<size_t>(state.frame_remaining, static_cast<size_t>(end - cursor)));
  const bool text = state.message_opcode == kTextOpcode;
  const bool high = unmask(data, length, state.mask);
  cursor += length;
  state.mask = rotate_mask(state.mask, length);
  state.frame_remaining -= length;
  state.message_length += length;
  state.in_frame = state.frame_remaining != 0;
  const bool last = state.in_frame == 0 && state.frame_final != 0;
  if (text && (high || state.utf8 != kUtf8Accept)) {
    state.utf8 = utf8_feed(state.utf8, data, length);
    if (state.utf8 == kUtf8Reject || (last && state.utf8 != kUtf8Accept)) return bad_text(state.utf8);
  }
  if (last) end_message(state);
  return data_item(first, last, text, data, length);
}

// §5.5.1 and §7.4: what a close frame may hold.
Item close_item(uint8_t* payload, uint32_t length) {
  if (length == 0) return {ItemKind::kClose, false, false, false, kCloseNoStatus, nullptr, payload, 0};
  if (length == 1) return error(kCloseProtocolError, "close frame with half a code");
  const uint16_t code = load_be16(payload);
  if (!close_code_valid(code)) return error(kCloseProtocolError, "close code not allowed on the wire");
  if (utf8_feed(kUtf8Accept, payload + 2, length - 2) != kUtf8Accept) return error(kCloseBadPayload, "close reason is not UTF-8");
  return {ItemKind::kClose, false, false, false, code, nullptr, payload + 2, length - 2};
}

// A control frame is taken whole or not at all: it needs no state, and may stand between two fragments (§5.4).
Item take_control(const Header& header, uint8_t*& cursor, uint8_t* end) {
  SLUICE_ASSERT(header.length <= kMaxControl);
  if (static_cast<size_t>(end - cursor) < header.size + header.length) return need_more();
  uint8_t* const payload = cursor + header.size;
  cursor = payload + header.length;
  unmask(payload, header.length, header.mask);
  if (header.opcode == Opcode::kClose) return close_item(payload, header.length);
  const ItemKind kind = header.opcode == Opcode::kPing ? ItemKind::kPing : ItemKind::kPong;
  return {kind, false, false, false, 0, nullptr, payload, header.length};
}

void begin_frame(ParserState& state, const Header& header) {
  SLUICE_ASSERT(state.in_frame == 0 && state.frame_remaining == 0);
  if (header.opcode != Opcode::kContinuation) state.message_opcode = static_cast<uint8_t>(header.opcode);
  state.mask = header.mask;
  state.frame_remaining = header.length;
  state.in_frame = header.length != 0;
  state.frame_final = header.final;
}

Item next_item_in_parts(ParserState& state, uint8_t*& cursor, uint8_t* end, const ParserLimits& limits) {
  for (;;) {  // each round consumes a header
    if (state.in_frame != 0) return cursor == end ? need_more() : take_piece(state, cursor, end, false);
    Header header;
    Fault fault;
    const HeaderResult result = read_header(state, cursor, static_cast<size_t>(end - cursor), limits.max_message, header, fault);
    if (result == HeaderResult::kIncomplete) return need_more();
    if (result == HeaderResult::kBad) return error(fault.code, fault.detail);
    if ((static_cast<uint32_t>(header.opcode) & kControl) != 0) return take_control(header, cursor, end);
    cursor += header.size;
    begin_frame(state, header);
    const bool first = header.opcode != Opcode::kContinuation;
    // A continuation shows only with bytes or as the end of its message; an opening frame always shows, so that `first` needs no
    // memory.
    if (first || (header.length == 0 && header.final)) return take_piece(state, cursor, end, first);
  }
}

}  // namespace

Item next_item(ParserState& state, uint8_t*& cursor, uint8_t* end, const ParserLimits& limits) {
  SLUICE_ASSERT(cursor <= end);
  ShortMessage message;
  if (!state.idle() || !take_short(cursor, end, limits.max_message, message)) return next_item_in_parts(state, cursor, end, limits);
  return data_item(true, true, message.text, message.data, message.length);
}

bool close_code_valid(uint16_t code) {
  // §7.4.1 reserves 1004 to 1006 and 1015 (never sent); 1012 to 1014 were registered with IANA later. §7.4.2: 3000 to 4999 are free.
  if (code >= 3000) return code <= 4999;
  return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014);
}

}  // namespace sluice::ws
