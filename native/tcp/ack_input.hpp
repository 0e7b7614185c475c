#pragma once

#include "tcp/arrival.hpp"
#include "tcp/stack.hpp"

namespace sluice::tcp {

// The acknowledgement field (RFC 9293 §3.10.7.4, fifth). False: the rest of the segment is not to be looked at, because the row is
// gone or the acknowledgement is none of ours.
bool take_ack(Stack& stack, Tcb& row, const Arrival& arrival);

// The same for one that acknowledges all that is out, names no blocks and comes to a row that neither ends nor waits to write: the
// connection is idle again, and its transfer given back. False, with nothing done, where anything is not as usual.
bool end_flight(Stack& stack, Tcb& row, const Arrival& arrival);
// The same for one that brings bytes as well: the application most often answers, and the transfer stays for that.
bool clear_flight(Stack& stack, Tcb& row, const Arrival& arrival);
// As end_flight() for a short flight, which is as usual by its nature.
void acknowledge_short_flight(Stack& stack, Tcb& row, const Arrival& arrival);

}  // namespace sluice::tcp
