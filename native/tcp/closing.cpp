#include "tcp/closing.hpp"

#include "tcp/acknowledge.hpp"
#include "tcp/orphans.hpp"
#include "tcp/send.hpp"
#include "tcp/sent_packet.hpp"
#include "tcp/transmit.hpp"
#include "tcp/window.hpp"

namespace sluice::tcp {

namespace {

// Both sides have closed: what has to be remembered goes into a record of its own, and the row is free. A stream whose application
// has not yet let go of it is gone from here on; its close() finds nothing to do.
void enter_time_wait(Stack& stack, Tcb& row) {
  // Where the FIN's acknowledgement is owed still, the row that owes it goes.
  if (row.last_ack_sent != row.rcv_nxt) send_ack(stack, row);
  bool evicted = false;
  const FlowRef before = FlowRef::make(FlowKind::kTcb, stack.row_of(row));
  TimeWait& record = stack.time_wait.add(before, row.free_next, stack.now_ms() + stack.options.time_wait_ms, evicted);
  if (evicted) ++stack.counters.time_wait_evicted;
  ++stack.counters.time_wait_entered;
  record.remote = row.remote;
  record.remote_port = row.remote_port;
  record.local_port = row.local_port;
  record.local = row.local;
  record.timestamps = row.has(kTimestamps);
  record.window = static_cast<uint16_t>(row.receive_window() >> row.receive_shift());
  record.snd_nxt = row.snd_nxt;
  record.rcv_nxt = row.rcv_nxt;
  record.ts_recent = row.ts_recent;
  record.ts_offset = row.ts_offset;
  record.answered_ms = stack.now_ms() - 1000;
  close_row_keeping_flow(stack, row);
}

void start_fin_wait2(Stack& stack, Tcb& row) {
  // With an application that may still read it lasts as long as that wants (RFC 9293 §3.6.1); without one, not.
  if (row.stream == kNoStream) await_fin(stack, row);
}

// Nothing that the peer sent is left for the application to see.
bool finished(const Stack& stack, const Tcb& row) noexcept {
  if (row.stream == kNoStream) return true;
  const Transfer* const transfer = stack.transfer_of(row);
  return row.has(kEndTold) && (transfer == nullptr || transfer->unread_bytes == 0);
}

}  // namespace

void fin_received(Stack& stack, Tcb& row) {
  switch (row.state) {
    case State::kEstablished:
      row.state = State::kCloseWait;
      return;
    case State::kFinWait1:
      row.state = State::kClosing;
      return;
    case State::kFinWait2:
      return settle(stack, row);
    default:
      return;
  }
}

void fin_acknowledged(Stack& stack, Tcb& row) {
  switch (row.state) {
    case State::kFinWait1:
      row.state = State::kFinWait2;
      return start_fin_wait2(stack, row);
    case State::kClosing:
      row.state = State::kFinWait2;
      return settle(stack, row);
    case State::kLastAck:
      return settle(stack, row);
    default:
      return;
  }
}

void settle(Stack& stack, Tcb& row) {
  if (!row.has(kFinReceived) || !finished(stack, row)) return;
  if (row.state == State::kFinWait2) return enter_time_wait(stack, row);
  if (row.state == State::kLastAck && row.has(kFinQueued) && !row.has(kFinWaiting) && row.snd_una == row.snd_nxt) {
    const Transfer* const transfer = stack.transfer_of(row);
    if (transfer == nullptr || transfer->send_head == nullptr) close_row(stack, row);
  }
}

bool end_in_peace(Stack& stack, Tcb& row) {
  if (row.state == State::kFinWait2 && row.has(kFinReceived)) return true;
  if (row.state != State::kClosing && row.state != State::kLastAck) return false;
  if (row.has(kInOrphanList)) {
    last_fin_acknowledged(stack, row);
    return true;
  }
  Transfer* const transfer = stack.transfer_of(row);
  if (row.has(kFinWaiting) || transfer == nullptr || transfer->write_end - row.snd_una != 1) return false;
  // Only our FIN is not acknowledged, and never will be: as if it had been.
  if (transfer->send_head != nullptr) {
    stack.resent.remove(*transfer, transfer->send_head);
    release_sent(stack.packets, stack.records, transfer->send_head);
    --stack.gauges.packets_sending;
  }
  transfer->send_head = transfer->send_tail = transfer->send_next = nullptr;
  transfer->lost_hint = transfer->sacked_last = transfer->rack_next = nullptr;
  transfer->sacked_bytes = transfer->lost_bytes = transfer->again_bytes = transfer->sacked_packets = 0;
  transfer->phase = Phase::kOpen;
  row.snd_una = row.snd_nxt = transfer->write_end;
  stack.timers.cancel(row.transfer);
  fin_acknowledged(stack, row);
  return true;
}

void queue_fin(Stack& stack, Tcb& row) {
  if (row.has(kFinQueued)) return;
  row.set(kFinQueued);
  // Before the handshake is over the FIN only waits (RFC 9293 §3.10.4).
  const bool synchronized = may_send(row.state);
  if (row.state == State::kEstablished) row.state = State::kFinWait1;
  if (row.state == State::kCloseWait) row.state = State::kLastAck;
  if (synchronized && row.has(kOrphan) && row.transfer == kNone) return send_last_fin(stack, row);
  append_fin(stack, row);
  push_out(stack, row);
}

void leave(Stack& stack, Tcb& row, bool reset) {
  const Transfer* const transfer = stack.transfer_of(row);
  // RFC 9293 §3.6.1, RFC 2525 §2.17: bytes that were acknowledged and never read are lost, and the peer ought to know.
  const bool unread = transfer != nullptr && transfer->unread_bytes != 0;
  if (reset || unread || row.state == State::kSynSent) return abort_row(stack, row);
  unbind_stream(stack, row);
  row.clear(kPaused);
  row.clear(kWantWritable);
  row.set(kOrphan);
  ++stack.gauges.orphans;
  detach_if_idle(stack, row);
  if (row.has_transfer() && stack.gauges.orphans - stack.orphans.used() > stack.orphans_sending_max) {
    ++stack.counters.orphans_killed;
    return abort_row(stack, row);
  }
  if (row.state == State::kFinWait2 && !row.has(kFinReceived)) return await_fin(stack, row);
  if (!row.has(kFinQueued)) return queue_fin(stack, row);
  settle(stack, row);
}

void abort_row(Stack& stack, Tcb& row) {
  if (row.state != State::kSynSent) send_reset(stack, row);
  close_row(stack, row);
}

void fail_row(Stack& stack, Tcb& row, int error) {
  const StreamId id = row.stream;
  close_row(stack, row);
  if (id != kNoStream) stack.sink.on_error(id, error);
}

}  // namespace sluice::tcp
