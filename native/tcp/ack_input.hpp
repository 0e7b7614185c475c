#pragma once

#include "tcp/arrival.hpp"
#include "tcp/stack.hpp"

namespace sluice::tcp {

// The acknowledgement field (RFC 9293 §3.10.7.4, fifth). False: the rest of the segment is not to be looked at, because the row is
// gone or the acknowledgement is none of ours.
bool take_ack(Stack& stack, Tcb& row, const Arrival& arrival);

}  // namespace sluice::tcp
