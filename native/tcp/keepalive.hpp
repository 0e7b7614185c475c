#pragma once

#include <cstdint>

#include "tcp/stack.hpp"

namespace sluice::tcp {

// Keepalive (RFC 9293 §3.8.4) without a timer for each connection: the rows are walked, a few each time, so that every row comes by
// ten times within the shortest of the times that count. A connection with bytes in flight needs none: those are its probes.
class Keepalive {
 public:
  explicit Keepalive(const TcpOptions& options);

  uint32_t run(Stack& stack);
  bool next_due(uint64_t now_us, uint64_t& due_us) const noexcept;

 private:
  void look_at(Stack& stack, Tcb& row);

  uint32_t pass_ms_;         // for all rows; 0: keepalive is off
  uint32_t at_ = 0;
  uint64_t due_us_ = 0;
};

}  // namespace sluice::tcp
