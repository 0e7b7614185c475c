#pragma once

#include <cstdint>

namespace sluice::ws {

// State of an incremental UTF-8 check (RFC 3629) between two pieces of a text.
using Utf8State = uint8_t;
inline constexpr Utf8State kUtf8Accept = 0;
inline constexpr Utf8State kUtf8Reject = 1;

// Feeds a piece; kUtf8Reject as soon as no continuation can make it valid. A text is whole when the state is kUtf8Accept.
Utf8State utf8_feed(Utf8State state, const uint8_t* data, uint32_t length);

}  // namespace sluice::ws
