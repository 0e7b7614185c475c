#pragma once

#include "tcp/reassembly.hpp"
#include "tcp/stack.hpp"

namespace sluice::tcp {

// Segment text (RFC 9293 §3.10.7.4, seventh) and FIN (eighth). Takes the text. The row may be closed afterwards: the application is
// called, and may do anything.
void receive_text(Stack& stack, Tcb& row, Text text, bool fin);

// Gives the application what is in order, unless it has paused.
void deliver_unread(Stack& stack, Tcb& row);
// Does so with the next poll().
void deliver_later(Stack& stack, Tcb& row);
uint32_t run_read_list(Stack& stack);

}  // namespace sluice::tcp
