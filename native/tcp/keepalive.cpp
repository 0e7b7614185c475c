#include "tcp/keepalive.hpp"

#include <algorithm>
#include <cerrno>

#include "tcp/closing.hpp"
#include "tcp/transmit.hpp"

namespace sluice::tcp {

namespace {

constexpr uint32_t kStepMsMin = 10;
constexpr uint32_t kRowsAtOnce = 256;

}  // namespace

Keepalive::Keepalive(const TcpOptions& options)
    : pass_ms_(options.keepalive_idle_ms == 0
                   ? 0
                   : std::max(std::min(options.keepalive_idle_ms, options.keepalive_interval_ms) / 10, kStepMsMin)) {}

bool Keepalive::next_due(uint64_t now_us, uint64_t& due_us) const noexcept {
  if (pass_ms_ == 0) return false;
  due_us = std::max(due_us_, now_us);
  return true;
}

uint32_t Keepalive::run(Stack& stack) {
  if (pass_ms_ == 0 || stack.now_us < due_us_) return 0;
  const uint32_t rows = stack.rows.high_water();
  // Few rows are looked at seldom, many in small portions.
  const uint64_t step_ms = static_cast<uint64_t>(pass_ms_) * kRowsAtOnce / std::max(rows, kRowsAtOnce);
  const uint32_t wait_ms = std::max(static_cast<uint32_t>(step_ms), kStepMsMin);
  due_us_ = stack.now_us + static_cast<uint64_t>(wait_ms) * 1000;
  const uint32_t steps = std::max(pass_ms_ / wait_ms, 1u);
  const uint32_t some = std::min(rows, rows / steps + 1);
  for (uint32_t i = 0; i < some; ++i) {
    if (at_ >= rows) at_ = 0;
    Tcb& row = stack.rows[at_++];
    if ((row.flags & (kUsed | kDying)) == kUsed) look_at(stack, row);
  }
  return 0;
}

void Keepalive::look_at(Stack& stack, Tcb& row) {
  if (row.state != State::kEstablished && row.state != State::kCloseWait && row.state != State::kFinWait2) return;
  const Transfer* const transfer = stack.transfer_of(row);
  if (row.in_flight() != 0 || (transfer != nullptr && transfer->timer == TimerKind::kPersist)) return;
  const uint32_t idle_ms = stack.now_ms() - row.last_receive_ms;
  const uint64_t due_ms = stack.options.keepalive_idle_ms +
                          static_cast<uint64_t>(row.keepalive_sent) * stack.options.keepalive_interval_ms;
  if (idle_ms < due_ms) return;
  if (row.keepalive_sent >= stack.options.keepalive_probes) {
    ++stack.counters.keepalive_timeouts;
    send_reset(stack, row);
    return fail_row(stack, row, ETIMEDOUT);
  }
  ++row.keepalive_sent;
  ++stack.counters.keepalive_probes;
  // A number that was acknowledged already: it must be answered, and takes no room (RFC 9293 §3.8.4).
  send_probe(stack, row, row.snd_una - 1);
}

}  // namespace sluice::tcp
