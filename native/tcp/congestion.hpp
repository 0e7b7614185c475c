#pragma once

#include <cstdint>

#include "tcp/stack.hpp"

namespace sluice::tcp {

// Of a connection's ssthresh, until something was lost or slow start has found its end.
inline constexpr uint32_t kNoThreshold = 1u << 30;

// RFC 6928 §2
uint32_t initial_window(uint32_t mss) noexcept;
// RFC 5681 §4.1: after a pause longer than the retransmission time-out nothing is known of the path any more.
void restart_after_idle(Stack& stack, Tcb& row, Transfer* transfer) noexcept;

// In slow start a window grows also where the application holds back what is sent, up to twice what is in flight: what it writes next
// may be that much at once (RFC 7661 §4.3). What it writes as a steady stream shows how much the path takes; a quarter more is enough
// there, and more would not be known to fit. Returns how much has to be in flight.
uint32_t validated_flight(const Tcb& row, const Transfer& transfer) noexcept;

// What remains of the window after a loss or a mark; CUBIC remembers where it was (RFC 9438 §4.6, §4.7; RFC 5681 §3.1).
uint32_t reduced_window(Stack& stack, Tcb& row, Transfer& transfer) noexcept;
// Acknowledgements outside of recovery: slow start (with HyStart++, RFC 9406) or congestion avoidance.
void grow_congestion_window(Stack& stack, Tcb& row, Transfer& transfer, uint32_t acked_bytes);
// A round trip was measured: HyStart++ looks for the first rise of it.
void hystart_sample(Tcb& row, Transfer& transfer, uint32_t rtt_us) noexcept;

}  // namespace sluice::tcp
