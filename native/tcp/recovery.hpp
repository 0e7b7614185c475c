#pragma once

#include <cstdint>

#include "tcp/scoreboard.hpp"
#include "tcp/stack.hpp"

// From loss to repair: fast recovery with PRR (RFC 6675, RFC 6937, RFC 6582), time-outs (RFC 5681), and undoing either when it turns
// out to have been without cause (RFC 5682, RFC 4015, RFC 3708).

namespace sluice::tcp {

// What an acknowledgement means for the phase and the congestion window.
void react_to_ack(Stack& stack, Tcb& row, Transfer& transfer, const Arrival& arrival, const Delivery& delivery, bool duplicate);
// A reordering timer ran out, or a tail probe was answered: there may be losses now.
void react_to_losses(Stack& stack, Tcb& row, Transfer& transfer);
void react_to_timeout(Stack& stack, Tcb& row, Transfer& transfer);
// A router or the peer says that the path is congested, without loss (RFC 3168 §6.1.2, RFC 8985 §7.4.1).
void react_to_congestion(Stack& stack, Tcb& row, Transfer& transfer);

}  // namespace sluice::tcp
