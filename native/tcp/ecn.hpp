#pragma once

#include "net/ip_layer.hpp"
#include "tcp/acknowledge.hpp"
#include "tcp/arrival.hpp"
#include "tcp/stack.hpp"

// Explicit congestion notification (RFC 3168).

namespace sluice::tcp {

// §6.1.2, §6.1.5: new data is ECN-capable, retransmissions are not; CWR goes with the first new data after a reduction.
inline net::Ecn mark_outgoing(Tcb& row, bool first, uint32_t bytes, uint8_t& flags) noexcept {
  if (!row.has(kEcnOk) || !first || bytes == 0) return net::Ecn::kNotCapable;
  if (row.has(kSendCwr)) {
    flags |= wire::kCwr;
    row.clear(kSendCwr);
  }
  return net::Ecn::kCapable0;
}

// §6.1.3: a mark is echoed with every segment until the sender says that it has slowed down.
inline void note_incoming_mark(Stack& stack, Tcb& row, const Arrival& arrival) {
  if (!row.has(kEcnOk)) return;
  if (arrival.has(wire::kCwr)) row.clear(kEchoCongestion);
  if (arrival.segment->ecn != net::Ecn::kCongestion) return;
  ++stack.counters.ecn_marks_in;
  row.set(kEchoCongestion);
  owe_ack_now(stack, row);
}

}  // namespace sluice::tcp
