#include "tcp/retransmit_timer.hpp"

#include <algorithm>
#include <cerrno>

#include "tcp/closing.hpp"
#include "tcp/connect.hpp"
#include "tcp/path_mtu.hpp"
#include "tcp/rack.hpp"
#include "tcp/recovery.hpp"
#include "tcp/rtt.hpp"
#include "tcp/send.hpp"
#include "tcp/sent_packet.hpp"
#include "tcp/transmit.hpp"

namespace sluice::tcp {

namespace {

// An orphan holds packets for nobody: it is given up sooner (RFC 9293 §3.8.3 leaves R2 to us).
constexpr uint32_t kOrphanRetries = 10;

bool given_up(Stack& stack, Tcb& row, uint32_t retries) {
  const uint32_t most = row.stream == kNoStream ? std::min(kOrphanRetries, stack.options.retries_max) : stack.options.retries_max;
  if (retries < most) return false;
  ++stack.counters.timeouts;
  if (end_in_peace(stack, row)) return true;
  // The peer, should it live, learns of it too.
  send_reset(stack, row);
  fail_row(stack, row, ETIMEDOUT);
  return true;
}

uint32_t timeout_ms(const Stack& stack, const Tcb& row, uint32_t backoff) noexcept {
  return std::max(rto_ms(stack.options, row, backoff), stack.late_acks.least_ms(stack.now_ms()));
}

// The timer was set before acknowledgements were late: what is left of the time that it is given now, or 0.
uint32_t too_soon(const Stack& stack, const SentPacket& head) noexcept {
  const uint32_t least_ms = stack.late_acks.least_ms(stack.now_ms());
  const uint32_t passed_ms = (stack.now_us32() - head.sent_us) / 1000;
  return passed_ms < least_ms ? least_ms - passed_ms : 0;
}

// RFC 6298 §5.4 to §5.7
void retransmit_timeout(Stack& stack, Tcb& row, Transfer& transfer) {
  if (row.in_flight() == 0 || transfer.send_head == nullptr) return push_out(stack, row);
  nic::Packet* const head = transfer.send_head;
  if (not_sent_yet(stack, head)) {
    // Never left this machine: that says nothing of the path.
    return stack.timers.set(row.transfer, TimerKind::kRetransmit, stack.now_ms() + timeout_ms(stack, row, 0));
  }
  if (const uint32_t left_ms = too_soon(stack, sent(head)); left_ms != 0) {
    return stack.timers.set(row.transfer, TimerKind::kRetransmit, stack.now_ms() + left_ms);
  }
  if (given_up(stack, row, transfer.backoff)) return;
  if (transfer.backoff >= kAdviceRetries) {
    stack.ip.doubt(row.remote);
    find_black_hole(stack, row, transfer);
  }
  react_to_timeout(stack, row, transfer);
  if (transfer.backoff < UINT8_MAX) ++transfer.backoff;
  if (sent(head).bytes > row.mss) split_packet(stack, transfer, head, row.mss);
  send_queued(stack, row, transfer, head);
  stack.timers.set(row.transfer, TimerKind::kRetransmit, stack.now_ms() + timeout_ms(stack, row, transfer.backoff));
}

// RFC 9293 §3.8.6.1: asks a closed window whether it has opened. The probe repeats the last number that was acknowledged, so that it
// takes no room and must be answered (§3.10.7.4, first).
void persist_timeout(Stack& stack, Tcb& row, Transfer& transfer) {
  const uint32_t edge = row.snd_wnd;
  nic::Packet* const next = transfer.send_next;
  if (row.in_flight() == 0 && next != nullptr && edge != 0) {
    // §3.8.6.2.1: the override: a window too small for a sensible segment is used all the same in the end.
    const uint32_t most = std::min<uint32_t>(edge, row.mss);
    if (sent(next).bytes > most && !split_packet(stack, transfer, next, most)) {
      return stack.timers.set(row.transfer, TimerKind::kPersist, stack.now_ms() + 100);
    }
    send_queued(stack, row, transfer, next);
    transfer.send_next = next->link;
    return arm_send_timer(stack, row, transfer, true);
  }
  if (next == nullptr && !row.has(kWantWritable)) return arm_send_timer(stack, row, transfer, true);
  // It lasts as long as the peer answers; an orphan's patience is shorter.
  if (given_up(stack, row, row.stream == kNoStream ? transfer.stalled_probes : transfer.unanswered_probes)) return;
  ++stack.counters.window_probes;
  send_probe(stack, row, row.snd_una - 1);
  ++transfer.stalled_probes;
  if (transfer.unanswered_probes < UINT8_MAX) ++transfer.unanswered_probes;
  if (transfer.backoff < UINT8_MAX) ++transfer.backoff;
  stack.timers.set(row.transfer, TimerKind::kPersist, stack.now_ms() + rto_ms(stack.options, row, std::min<uint32_t>(transfer.backoff, 8)));
}

void probe_tail(Stack& stack, Tcb& row, Transfer& transfer) {
  if (stack.late_acks.least_ms(stack.now_ms()) != 0) return retransmit_timeout(stack, row, transfer);
  send_tail_probe(stack, row, transfer);
  stack.timers.set(row.transfer, TimerKind::kRetransmit, stack.now_ms() + timeout_ms(stack, row, 0));
}

void reorder_timeout(Stack& stack, Tcb& row, Transfer& transfer) {
  const uint32_t again_us = rack_detect_losses(stack, row, transfer, false);
  react_to_losses(stack, row, transfer);
  push_out(stack, row);
  if (again_us != 0) {
    arm_reorder_timer(stack, row, transfer, again_us);
  } else {
    arm_send_timer(stack, row, transfer, true);
  }
}

void fire(Stack& stack, uint32_t index, TimerKind kind) {
  Transfer& transfer = stack.transfers[index];
  Tcb& row = stack.rows[transfer.tcb];
  switch (kind) {
    case TimerKind::kNone:
      return;
    case TimerKind::kRetransmit:
      return retransmit_timeout(stack, row, transfer);
    case TimerKind::kProbeTail:
      return probe_tail(stack, row, transfer);
    case TimerKind::kReorder:
      return reorder_timeout(stack, row, transfer);
    case TimerKind::kPersist:
      return persist_timeout(stack, row, transfer);
    case TimerKind::kSyn:
      return syn_timeout(stack, row, transfer);
    case TimerKind::kRetry:
      return push_out(stack, row);
  }
}

uint32_t ms_up(uint32_t us) noexcept { return (us + 999) / 1000; }

}  // namespace

void arm_send_timer(Stack& stack, Tcb& row, Transfer& transfer, bool restart) {
  const uint32_t now_ms = stack.now_ms();
  if (row.in_flight() == 0) {
    // A closed window, or one that is too small: nothing will come back by itself.
    if (transfer.send_next != nullptr || row.has(kFinWaiting) || (row.has(kWantWritable) && row.snd_wnd == 0)) {
      if (transfer.timer != TimerKind::kPersist && transfer.timer != TimerKind::kRetry) {
        const TimerKind kind = row.has(kFinWaiting) && transfer.send_next == nullptr ? TimerKind::kRetry : TimerKind::kPersist;
        const uint32_t wait_ms = kind == TimerKind::kRetry ? 10 : rto_ms(stack.options, row, std::min<uint32_t>(transfer.backoff, 8));
        stack.timers.set(row.transfer, kind, now_ms + wait_ms);
      }
    } else if (transfer.timer != TimerKind::kNone) {
      stack.timers.cancel(row.transfer);
    }
    return;
  }
  const bool running = transfer.timer == TimerKind::kRetransmit || transfer.timer == TimerKind::kReorder ||
                       transfer.timer == TimerKind::kProbeTail;
  if (running && !restart) return;
  const uint32_t rto = timeout_ms(stack, row, transfer.backoff);
  const bool late = stack.late_acks.least_ms(now_ms) != 0;
  const uint32_t probe_us = late ? 0 : tail_probe_timeout_us(stack, row, transfer);
  if (probe_us != 0) {
    // RFC 8985 §7.2: no later than the time-out, in whose place it then goes. For a single segment that is always so.
    stack.timers.set(row.transfer, TimerKind::kProbeTail, now_ms + std::min(ms_up(probe_us), rto));
  } else {
    stack.timers.set(row.transfer, TimerKind::kRetransmit, now_ms + rto);
  }
}

void arm_reorder_timer(Stack& stack, Tcb& row, Transfer&, uint32_t timeout_us) {
  stack.timers.set(row.transfer, TimerKind::kReorder, stack.now_ms() + std::max(ms_up(timeout_us), 1u));
}

uint32_t run_timers(Stack& stack) {
  uint32_t fired = 0;
  for (;;) {
    TimerKind kind;
    const uint32_t index = stack.timers.expire(stack.now_ms(), kind);
    if (index == kNone) return fired;
    ++fired;
    const uint32_t row = stack.transfers[index].tcb;
    fire(stack, index, kind);
    if (!stack.rows[row].has(kDying)) detach_if_idle(stack, stack.rows[row]);
  }
}

}  // namespace sluice::tcp
