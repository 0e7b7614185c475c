#pragma once

#include <cstdint>

#include "tcp/stack.hpp"
#include "wire/tcp_options.hpp"

namespace sluice::tcp {

// A frame whose pieces were cut down to payload, on its way in.
struct Text {
  nic::Packet* frame;  // null: nothing (left)
  Seq seq;
  uint32_t bytes;
  Seq end() const noexcept { return seq + bytes; }
};

// Cuts bytes off. Pieces that become empty are given back.
void trim_front(Stack& stack, Text& text, uint32_t bytes) noexcept;
void trim_back(Stack& stack, Text& text, uint32_t bytes) noexcept;
void drop(Stack& stack, Text& text) noexcept;

// Keeps text at or beyond rcv_nxt in the packets that it came in, and moves rcv_nxt over what is now in order. False, with the text
// dropped, where there is no memory to keep it in: as if it had been lost on the way. What was there already is told in `duplicate`.
bool hold(Stack& stack, Tcb& row, Text& text, wire::SackBlock& duplicate) noexcept;
// The blocks of the next acknowledgement (RFC 2018 §4), at most `most`. Returns how many.
uint32_t sack_blocks(const Stack& stack, const Tcb& row, wire::SackBlock* out, uint32_t most) noexcept;

// Gives up what is out of order and reaches beyond `end`.
void discard_behind(Stack& stack, Transfer& transfer, Seq end) noexcept;

}  // namespace sluice::tcp
