#pragma once

#include "net/ip_layer.hpp"
#include "tcp/stack.hpp"

namespace sluice::tcp {

// An ICMP error about a segment of ours (RFC 1191, RFC 8201, RFC 1122 §4.2.3.9), believed only where it quotes what is in flight
// (RFC 5927 §4.1).
void take_icmp_error(Stack& stack, Tcb& row, const net::IcmpError& error);

// Segments of this size were lost again and again: perhaps a router drops them and says nothing (RFC 2923 §2.1, RFC 4821 §7.7).
void find_black_hole(Stack& stack, Tcb& row, Transfer& transfer);

}  // namespace sluice::tcp
