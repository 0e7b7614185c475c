#pragma once

#include "net/ip_layer.hpp"
#include "tcp/stack.hpp"

namespace sluice::tcp {

// An ICMP error about a segment of ours (RFC 1191, RFC 8201, RFC 1122 §4.2.3.9), believed only where it quotes what is in flight
// (RFC 5927 §4.1).
void take_icmp_error(Stack& stack, Tcb& row, const net::IcmpError& error);

// Segments of this size were lost again and again: perhaps a router drops them and says nothing (RFC 2923 §2.1, RFC 4821 §7.7).
void find_black_hole(Stack& stack, Tcb& row, Transfer& transfer);

// What was learned of a path is forgotten after a while: the path may be another one by now (RFC 1191 §6.3, RFC 8201 §4). Without a
// timer for each connection: rows are walked, all of them within path_mtu_raise_ms, and the second time that a walk meets what a router
// said, which is one to two such times later, the next full segments try the interface's MTU again. Sizes that were guessed where routers
// say nothing stay: trying again would cost the same time-outs again. Nothing is walked before anything was learned.
class PathMtuAging {
 public:
  explicit PathMtuAging(const TcpOptions& options) noexcept : pass_ms_(options.path_mtu_raise_ms) {}

  void run(Stack& stack);
  bool next_due(const Stack& stack, uint64_t now_us, uint64_t& due_us) const noexcept;

 private:
  static constexpr uint32_t kRowsAtOnce = 256;

  void look_at(Stack& stack, Tcb& row);

  uint32_t pass_ms_;
  uint32_t at_ = 0;
  uint64_t due_us_ = 0;
};

}  // namespace sluice::tcp
