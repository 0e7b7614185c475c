#pragma once

#include <cstdint>

#include "tcp/stack.hpp"

namespace sluice::tcp {

// The smallest shift with which a window of `bytes` can be told (RFC 7323 §2.3).
uint8_t shift_for(uint32_t bytes) noexcept;

// The window field of the next segment. Moves the right edge as far as memory and silly-window avoidance allow, never back
// (RFC 9293 §3.8.6.2.2 and §3.8.6).
uint16_t advertise_window(Stack& stack, Tcb& row) noexcept;
// Whether the application has made so much room that the peer ought to be told at once.
bool window_update_due(Stack& stack, const Tcb& row) noexcept;
// A connection that brings a window's worth of data gets a larger one, while memory allows.
void grow_window(Stack& stack, Tcb& row) noexcept;

// Whether one more received packet may be kept.
bool may_hold(const Stack& stack) noexcept;

}  // namespace sluice::tcp
