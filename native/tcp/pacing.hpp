#pragma once

#include <cstdint>

#include "tcp/stack.hpp"

// What acknowledgements do not clock is paced (RFC 9002 §7.7 says why): data that finds the congestion window open, because the
// application wrote little before, or because what it waited for came all at once behind a gap. Sent at the device's rate it would
// need a queue before the path's narrowest link that holds all of it.
//
// And where the peer's data gets lost (acknowledges_promptly()) whatever is more than a segment is spread: acknowledgements of that data
// would stand in the same queue behind a message that was sent at once, and the peer's small window would wait for them.

namespace sluice::tcp {

// Of new data, how many bytes may leave now: UINT32_MAX where acknowledgements clock them, or where they are few.
uint32_t paced_room(const Stack& stack, const Tcb& row, const Transfer& transfer) noexcept;
// So many of them left. Only where paced_room() said how many may.
void note_paced(const Stack& stack, const Tcb& row, Transfer& transfer, uint32_t bytes) noexcept;
// push_out() again in a moment.
void wait_for_pace(Stack& stack, const Tcb& row, Transfer& transfer);
// Returns how many have had their turn.
uint32_t run_paced(Stack& stack);

}  // namespace sluice::tcp
