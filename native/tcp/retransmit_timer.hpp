#pragma once

#include "tcp/stack.hpp"

namespace sluice::tcp {

// RFC 9293 §3.8.3: R1 (SHLD-10: at least three retransmissions), from which on the path is in doubt.
inline constexpr uint8_t kAdviceRetries = 3;

// Sees that whatever is in flight, or blocked, has a timer. `restart`: time counts from now (RFC 6298 §5.1 and §5.3, RFC 8985 §7.2).
void arm_send_timer(Stack& stack, Tcb& row, Transfer& transfer, bool restart);
// Something may turn out to be lost after `timeout_us` (RFC 8985 §6.2, step 5).
void arm_reorder_timer(Stack& stack, Tcb& row, Transfer& transfer, uint32_t timeout_us);

// Runs every timer of a connection that is due.
uint32_t run_timers(Stack& stack);

}  // namespace sluice::tcp
