#pragma once

#include "tcp/stack.hpp"

// When to acknowledge (RFC 5681 §4.2, RFC 9293 §3.8.6.3). What is owed leaves with flush(), so that data written in the same turn
// carries it.

namespace sluice::tcp {

// Segments that are acknowledged at once where the peer's congestion window may be small: when it begins, and after losses.
inline constexpr uint8_t kQuickAcks = 15;
// Of kLossyPiece bytes each, after a gap: with one segment in a thousand lost nearly all flights fall within.
inline constexpr uint8_t kLossyPieces = 15;
inline constexpr uint32_t kLossyPiece = 1u << 18;

// Something came twice or out of order: the peer sends again what was lost, with a window that may be a single segment. Delaying
// the acknowledgement of that one would stop it for delayed_ack_ms.
inline void expect_small_window(Tcb& row) noexcept { row.quick_acks = kQuickAcks; }

// What is written answers what came, and takes its acknowledgement along: who talks in turns does not wait for a window to open, and an
// acknowledgement of its own for each message would double what is sent (as Linux has it in its interactive mode).
inline void answered(Tcb& row) noexcept { row.quick_acks = 0; }

// Data came in order.
void owe_ack(Stack& stack, Tcb& row);
void owe_ack_now(Stack& stack, Tcb& row);
// What came is out of order, and no duplicate.
void owe_ack_behind_gap(Stack& stack, Tcb& row);
// A segment that acknowledges rcv_nxt is on its way.
inline void acknowledgement_sent(Tcb& row) noexcept {
  row.flags &= ~static_cast<uint32_t>(kAckNow | kAckDelayed | kAckHeld);
  // What an application writes says the same number many times over.
  if (row.last_ack_sent == row.rcv_nxt) return;
  if (row.quick_acks != 0) --row.quick_acks;
  if (row.lossy != 0 && row.last_ack_sent.raw / kLossyPiece != row.rcv_nxt.raw / kLossyPiece) --row.lossy;
  row.last_ack_sent = row.rcv_nxt;
}

// The peer's window is small where its data gets lost, so that goodput goes with the round trip, of which the application's turn, a long
// turn's frames and the wait for a second segment are a part where it is short.
bool acknowledges_promptly(const Tcb& row) noexcept;
// A gap was seen: what the peer sends is lost on its way.
inline void expect_losses(Tcb& row) noexcept { row.lossy = kLossyPieces; }
// The burst of frames is taken: what is owed promptly leaves, before the application has its turn. False where nothing was.
bool send_prompt_acks(Stack& stack);
void flush_acks(Stack& stack);
void run_delayed_acks(Stack& stack);

}  // namespace sluice::tcp
