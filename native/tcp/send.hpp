#pragma once

#include <cstdint>

#include "base/stream.hpp"
#include "tcp/stack.hpp"

namespace sluice::tcp {

// The pieces of bytes that others get as well; none where they do not suit the connection.
SharedBodies::Pieces shared_pieces(Stack& stack, const Tcb& row, uint32_t shared);
// Copies of the slices what the connection may take now into packets. Returns how many bytes.
uint32_t append_bytes(Stack& stack, Tcb& row, const IoSlice* slices, uint32_t count);
// FIN behind everything that is queued, or, where no packet is free, as soon as one is.
void append_fin(Stack& stack, Tcb& row);
// Bytes that append_bytes() would take, at most.
uint32_t send_room(const Stack& stack, const Tcb& row) noexcept;

// Sends what windows and congestion control let go: first what was lost, then what is new (RFC 9293 §3.7.4, §3.8.6.2.1).
void push_out(Stack& stack, Tcb& row);
// Both for a short message on a connection that has nothing else to send or in flight, which is how most answers go: it leaves at once, in
// one segment. False, with nothing done, where anything is not as usual. Not where may_send_at_once() says that packets are short.
bool send_at_once(Stack& stack, Tcb& row, const IoSlice& slice);
inline bool may_send_at_once(const Stack& stack) noexcept { return stack.packets.free_count() >= stack.packets_total / 2; }
// It waits for the device or for a neighbour's address, or is with a device that is full, where a copy would only wait behind it: it
// cannot have been lost.
bool not_sent_yet(const Stack& stack, const nic::Packet* packet) noexcept;
// Sends a queued packet (again), whatever the windows say. False when nothing went out.
bool send_queued(Stack& stack, Tcb& row, Transfer& transfer, nic::Packet* packet);

// Makes two packets of one: what lies beyond `bytes` of payload becomes the next. False without a free packet.
bool split_packet(Stack& stack, Transfer& transfer, nic::Packet* packet, uint32_t bytes);
// Bytes in the network by the scoreboard (RFC 6675 §4, pipe).
uint32_t pipe(const Tcb& row, const Transfer& transfer) noexcept;

// The application asked to be told when it may write.
void offer_room(Stack& stack, Tcb& row);
uint32_t run_write_list(Stack& stack);

}  // namespace sluice::tcp
