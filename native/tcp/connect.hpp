#pragma once

#include <string>

#include "tcp/arrival.hpp"
#include "tcp/stack.hpp"

namespace sluice::tcp {

// RFC 6528: a number that grows with time, from where nobody without the key knows.
Seq initial_sequence(const Stack& stack, const net::Flow& flow) noexcept;

// Active open (RFC 9293 §3.10.1).
bool open_active(Stack& stack, StreamId id, net::Flow flow, std::string& error);
// A segment for a connection in SYN-SENT (§3.10.7.3). Takes the packet.
void take_in_syn_sent(Stack& stack, Tcb& row, const Arrival& arrival);
// An acceptable acknowledgement of our SYN-ACK in SYN-RECEIVED after a simultaneous open.
void become_established(Stack& stack, Tcb& row);
void syn_timeout(Stack& stack, Tcb& row, Transfer& transfer);
// A handshake whose SYN or SYN-ACK had to be sent again `tries` times. More than once: the first window is one segment (RFC 5681 §3.1, but
// for a single time-out, RFC 6928 §2). With no round trip measured the first time-out is three seconds (RFC 6298 §5.7).
void start_after_lost_syn(Tcb& row, uint32_t tries) noexcept;

// What a connection starts with once both SYNs are known.
// Payload bytes of a full segment, by what the peer announced, the interface and the packets; options of all segments are taken off.
uint16_t largest_segment(const Stack& stack, const net::IpAddress& remote, uint16_t peer_mss, bool timestamps) noexcept;
void set_up(Stack& stack, Tcb& row, const Negotiated& agreed, Seq iss, Seq irs, uint32_t window);
// What a SYN offers and what of it this side accepts.
Negotiated negotiate(const Stack& stack, const Arrival& arrival) noexcept;

}  // namespace sluice::tcp
