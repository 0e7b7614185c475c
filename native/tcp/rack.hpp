#pragma once

#include <cstdint>

#include "tcp/arrival.hpp"
#include "tcp/scoreboard.hpp"
#include "tcp/sent_packet.hpp"
#include "tcp/stack.hpp"

// RACK-TLP (RFC 8985): a packet is lost when one that was sent sufficiently later has arrived; and when the tail of a flight is not
// acknowledged, a probe finds out why.

namespace sluice::tcp {

// §6.2, steps 1 to 3, for one packet that is known to have arrived.
void rack_note_arrival(Stack& stack, Tcb& row, Transfer& transfer, const SentPacket& info, const Arrival& arrival) noexcept;
// §6.2, steps 4 and 5. Marks what is lost; returns how long to wait for what may yet turn out to be, 0: nothing is in doubt.
uint32_t rack_detect_losses(Stack& stack, Tcb& row, Transfer& transfer, bool duplicate_reported) noexcept;

// §7.2: how long to wait for an acknowledgement before probing; 0: no probe is to be sent.
uint32_t tail_probe_timeout_us(const Stack& stack, const Tcb& row, const Transfer& transfer) noexcept;
// §7.3. False when nothing could be sent.
bool send_tail_probe(Stack& stack, Tcb& row, Transfer& transfer);
// §7.4: an acknowledgement came while a probe is out. True when it says that the probe repaired a loss.
bool tail_probe_answered(Stack& stack, Tcb& row, Transfer& transfer, const Arrival& arrival, const Delivery& delivery) noexcept;

}  // namespace sluice::tcp
