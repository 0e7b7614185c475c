#pragma once

#include "tcp/reassembly.hpp"
#include "tcp/stack.hpp"

namespace sluice::tcp {

// Segment text (RFC 9293 §3.10.7.4, seventh) and FIN (eighth). Takes the text. The row may be closed afterwards: the application is
// called, and may do anything.
void receive_text(Stack& stack, Tcb& row, Text text, bool fin);

// The same for the usual case: at rcv_nxt and within the window, no FIN, sent to an application that is there and reads, keeps_nothing().
void receive_next(Stack& stack, Tcb& row, Text text);
// No text or FIN waits for what is before it, or to be read; and were the application to pause in the middle, the rest could be kept.
inline bool keeps_nothing(const Stack& stack, const Tcb& row) noexcept {
  if (!row.has_transfer()) return stack.transfers.used() + stack.short_flights < stack.transfers.size();
  const Transfer& transfer = stack.transfers[row.transfer];
  return transfer.held_head == nullptr && !transfer.fin_known;
}

// Gives the application what is in order, unless it has paused.
void deliver_unread(Stack& stack, Tcb& row);
// Does so with the next poll().
void deliver_later(Stack& stack, Tcb& row);
uint32_t run_read_list(Stack& stack);

}  // namespace sluice::tcp
