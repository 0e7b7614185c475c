#include "tcp/window.hpp"

#include <algorithm>

namespace sluice::tcp {

namespace {

// With memory enough, and nothing unread.
uint64_t full_window(const Stack& stack, const Tcb& row) noexcept {
  const TcpOptions& options = stack.options;
  return std::min<uint64_t>(static_cast<uint64_t>(options.receive_window_initial) << row.window_log, options.receive_window_max);
}

// What the peer may send beyond rcv_nxt if nothing had been promised before.
uint32_t wanted_window(const Stack& stack, const Tcb& row) noexcept {
  const TcpOptions& options = stack.options;
  uint64_t limit = full_window(stack, row);
  // Packets that are kept for one connection are missing for all: the more are kept, the less is promised anew. What was promised
  // before is still taken (window edges do not move back).
  const uint64_t total = stack.packets_total;
  const uint64_t held = stack.gauges.packets_received;
  if (held * 4 > total) limit = std::min<uint64_t>(limit, options.receive_window_initial);
  if (held * 8 > total * 3) limit = std::min<uint64_t>(limit, 4u * row.mss);
  const Transfer* const transfer = stack.transfer_of(row);
  const uint32_t unread = transfer == nullptr ? 0 : transfer->unread_bytes;
  return limit > unread ? static_cast<uint32_t>(limit) - unread : 0;
}

}  // namespace

uint8_t shift_for(uint32_t bytes) noexcept {
  uint8_t shift = 0;
  while (shift < 14 && (bytes >> shift) > 65'535) ++shift;
  return shift;
}

bool may_hold(const Stack& stack) noexcept {
  // Half of all packets at most, and none of the last sixteenth: the NIC needs some to receive into, sending needs some.
  const uint32_t total = stack.packets_total;
  return stack.gauges.packets_received * 2 < total && stack.packets.free_count() > total / 16;
}

uint16_t advertise_window(Stack& stack, Tcb& row) noexcept {
  const uint32_t promised = row.receive_window();
  // RFC 9293 §3.8.6.2.2: the edge moves by a segment or by half the buffer at least.
  const uint32_t least = std::min<uint32_t>(std::max<uint32_t>(row.rcv_mss, 536), stack.options.receive_window_initial / 2);
  uint32_t window = promised;
  // Who was sent to and said nothing has been promised nearly all of it, whatever memory there is.
  const bool moves = promised == 0 || full_window(stack, row) >= static_cast<uint64_t>(promised) + least;
  const uint32_t wanted = moves ? wanted_window(stack, row) : 0;
  if (wanted > promised) {
    if (wanted - promised >= least || promised == 0) window = wanted;
    if (promised == 0 && wanted < least) window = 0;
  }
  const uint32_t shift = row.receive_shift();
  // RFC 7323 §2.4: rounded up, or the edge would seem to move back by what the scale cuts off.
  const uint32_t field = std::min<uint32_t>((window + (1u << shift) - 1) >> shift, 65'535);
  row.rcv_edge = later(row.rcv_edge, row.rcv_nxt + (field << shift));
  return static_cast<uint16_t>(field);
}

bool window_update_due(Stack& stack, const Tcb& row) noexcept {
  // Behind a FIN nothing comes that would need room.
  if (!may_receive(row.state) || row.has(kFinReceived)) return false;
  const uint32_t promised = row.receive_window();
  const uint32_t wanted = wanted_window(stack, row);
  return wanted > promised && (promised < 2u * std::max<uint32_t>(row.rcv_mss, 536) || wanted - promised >= wanted / 2);
}

void grow_window(Stack& stack, Tcb& row) noexcept {
  const uint64_t window = static_cast<uint64_t>(stack.options.receive_window_initial) << row.window_log;
  if (row.rcv_nxt < row.grow_at) return;
  row.grow_at = row.rcv_nxt + static_cast<uint32_t>(std::min<uint64_t>(window, stack.options.receive_window_max));
  if (window >= stack.options.receive_window_max || row.receive_shift() == 0) return;
  ++row.window_log;
}

}  // namespace sluice::tcp
