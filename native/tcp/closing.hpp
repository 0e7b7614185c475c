#pragma once

#include "tcp/stack.hpp"

namespace sluice::tcp {

// The peer's FIN is in order: the state moves on (RFC 9293 §3.10.7.4, eighth).
void fin_received(Stack& stack, Tcb& row);
// Our FIN was acknowledged (fifth).
void fin_acknowledged(Stack& stack, Tcb& row);

// Ends a connection of which both directions are over, once its application has seen everything.
void settle(Stack& stack, Tcb& row);

// The application sends no more: FIN behind what is queued (RFC 9293 §3.10.4).
void queue_fin(Stack& stack, Tcb& row);
// The application is gone. What it wrote still goes out, then FIN; or RST, where it asked for that or left bytes unread.
void leave(Stack& stack, Tcb& row, bool reset);

// The peer is gone, by RST or by silence, when both sides have said all that they had to say: nothing is lost, so nobody is told
// (RFC 9293 §3.10.7.4, second, CLOSING to TIME-WAIT; RFC 1337). What the application has not yet read it still gets. False, with
// nothing done, where something is lost.
bool end_in_peace(Stack& stack, Tcb& row);

// RST to the peer, and the row is gone (RFC 9293 §3.10.5). The application is not told.
void abort_row(Stack& stack, Tcb& row);
// The connection broke: the application is told, if there is one.
void fail_row(Stack& stack, Tcb& row, int error);

}  // namespace sluice::tcp
