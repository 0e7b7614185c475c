#pragma once

#include "tcp/stack.hpp"
#include "tcp/transmit.hpp"

namespace sluice::tcp {

// A challenge ACK (RFC 5961 §3.2, §4.2, §5.2): whoever really is the peer answers it. Limited for each connection as well as for all
// (§7), so that the count of all says little to somebody who watches it through one connection. Not for each connection where data is
// answered: two that hold different numbers for right would otherwise go on for ever acknowledging each other's acknowledgements, but no
// acknowledgement has data, and each segment of it is owed one (RFC 9293 §3.10.7.4, first).
inline void challenge(Stack& stack, Tcb& row, bool of_data = false) {
  const auto now_ms16 = static_cast<uint16_t>((stack.now_ms() / 16) | 1);
  const bool recently = !of_data && row.challenge_ms16 != 0 && static_cast<uint16_t>(now_ms16 - row.challenge_ms16) < 31;  // half a second
  if (recently || !stack.challenges.take(stack.now_ms())) {
    ++stack.counters.challenge_acks_limited;
    return;
  }
  row.challenge_ms16 = now_ms16;
  ++stack.counters.challenge_acks;
  send_ack(stack, row);
}

}  // namespace sluice::tcp
