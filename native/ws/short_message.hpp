#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "ws/frame.hpp"
#include "ws/mask.hpp"
#include "ws/utf8.hpp"

// What nearly all of a client's messages are: one frame, final and masked, of at most 125 bytes. It takes no state and leaves none.

namespace sluice::ws {

struct ShortMessage {
  uint8_t* data;
  uint32_t length;
  bool text;
};

// Takes such a message off the front of [cursor, end); its parser must be idle(). False, with nothing changed, where something else stands
// there or not all of it has come: next_item() knows what it is.
inline bool take_short(uint8_t*& cursor, uint8_t* end, uint32_t max_message, ShortMessage& out) {
  constexpr uint32_t kFinalText = 0x81;
  constexpr uint32_t kMasked = 0x80;
  constexpr uint32_t kHeader = 2 + 4;
  constexpr uint32_t kLongest = 125;
  const auto available = static_cast<size_t>(end - cursor);
  if (available < kHeader) return false;
  const uint32_t kind = cursor[0] - kFinalText;  // 0: text, 1: binary; everything else wraps or is larger
  const uint32_t length = cursor[1] - kMasked;   // wraps without the mask bit
  if (kind > 1 || length > kLongest || length > max_message || available < kHeader + length) return false;
  uint32_t mask;
  std::memcpy(&mask, cursor + 2, sizeof mask);
  uint8_t* const data = cursor + kHeader;
  const bool text = kind == 0;
  if (unmask(data, length, mask) && text && utf8_feed(kUtf8Accept, data, length) != kUtf8Accept) {
    unmask(data, length, mask);
    return false;
  }
  out = {data, length, text};
  cursor = data + length;
  return true;
}

}  // namespace sluice::ws
