#pragma once

#include "tcp/arrival.hpp"
#include "tcp/stack.hpp"

namespace sluice::tcp {

// A segment for a connection in TIME-WAIT. Takes the packet.
void take_in_time_wait(Stack& stack, uint32_t index, const Arrival& arrival, uint32_t hash);
uint32_t run_time_wait(Stack& stack);

}  // namespace sluice::tcp
