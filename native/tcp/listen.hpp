#pragma once

#include "tcp/arrival.hpp"
#include "tcp/stack.hpp"

// Passive opens (RFC 9293 §3.10.7.2): half-open connections in their table, beyond its bounds by SYN cookies.

namespace sluice::tcp {

// A segment that belongs to no connection. Takes the packet.
void take_without_connection(Stack& stack, const Arrival& arrival, uint32_t hash);
// A SYN for the listener; `least`: the new connection's numbers begin behind it (RFC 6191 §2, RFC 9293 §3.4.3).
void take_syn_for_listener(Stack& stack, const Arrival& arrival, uint32_t hash, const Seq* least);
// A segment for a half-open connection (SYN-RECEIVED). Takes the packet.
void take_in_half_open(Stack& stack, uint32_t index, const Arrival& arrival, uint32_t hash);

// Sends SYN-ACKs again and forgets half-open connections that nobody completes.
uint32_t run_half_open(Stack& stack);
bool listening_on(const Stack& stack, const net::Flow& flow) noexcept;
// The port is the listener's, also while nothing is accepted on it.
bool is_listeners(const Stack& stack, const net::Flow& flow) noexcept;

}  // namespace sluice::tcp
