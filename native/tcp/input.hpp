#pragma once

#include "tcp/arrival.hpp"
#include "tcp/stack.hpp"

// Segments arrive (RFC 9293 §3.10.7).

namespace sluice::tcp {

void take_segments(Stack& stack, const net::Segment* segments, uint32_t count);
// A segment for a connection that is past the exchange of SYNs (§3.10.7.4). Takes the packet.
void take_in_connection(Stack& stack, Tcb& row, const Arrival& arrival);
// The row of a flow, of whatever state; null where there is none.
Tcb* find_row(Stack& stack, const net::Flow& flow) noexcept;

}  // namespace sluice::tcp
