#include "tcp/time_wait_input.hpp"

#include "tcp/listen.hpp"
#include "tcp/transmit.hpp"

namespace sluice::tcp {

namespace {

constexpr uint32_t kExpiredAtOnceMax = 256;  // bounds what one turn spends on them

void answer(Stack& stack, TimeWait& record, const net::Flow& flow) {
  record.answered_ms = stack.now_ms();
  send_bare_ack(stack, {&flow, record.snd_nxt, record.rcv_nxt, record.window, record.timestamps != 0, stack.now_ms() + record.ts_offset,
                        record.ts_recent});
}

// RFC 6191 §2: a SYN that is certainly newer than everything of the old connection.
bool is_newer(const Stack& stack, const TimeWait& record, const Arrival& arrival) noexcept {
  const bool clocks = stack.options.timestamps && record.timestamps != 0 && arrival.options.has_timestamp;
  if (clocks && arrival.options.timestamp != record.ts_recent) return clock_before(record.ts_recent, arrival.options.timestamp);
  return record.rcv_nxt < arrival.seq;
}

}  // namespace

void take_in_time_wait(Stack& stack, uint32_t index, const Arrival& arrival, uint32_t hash) {
  TimeWait& record = stack.time_wait[index];
  const net::Flow& flow = *arrival.segment->flow;
  const bool syn = (arrival.flags & (wire::kSyn | wire::kAck | wire::kRst | wire::kFin)) == wire::kSyn;
  if (syn && listening_on(stack, flow) && is_newer(stack, record, arrival)) {
    const Seq least = record.snd_nxt;
    ++stack.counters.time_wait_reused;
    stack.time_wait.remove(index);
    return take_syn_for_listener(stack, arrival, hash, &least);
  }
  // RFC 1337 §3 (F1): a reset does not cut TIME-WAIT short.
  if (!arrival.has(wire::kRst)) {
    const bool old = record.timestamps != 0 && arrival.options.has_timestamp && clock_before(arrival.options.timestamp, record.ts_recent);
    const bool fin_again = arrival.has(wire::kFin) && arrival.end() == record.rcv_nxt && !old;
    if (fin_again) stack.time_wait.restart(index, stack.now_ms() + stack.options.time_wait_ms);
    // RFC 9293 §3.10.7.4: what is unacceptable is answered by an acknowledgement; of those not more than a few (RFC 5961 §7).
    const bool empty = arrival.length() == 0 && arrival.seq == record.rcv_nxt;
    if (fin_again || (!empty && stack.now_ms() - record.answered_ms >= 500)) answer(stack, record, flow);
  }
  stack.packets.unref_frame(arrival.segment->packet);
}

uint32_t run_time_wait(Stack& stack) {
  uint32_t done = 0;
  while (done < kExpiredAtOnceMax) {
    const uint32_t index = stack.time_wait.due(stack.now_ms());
    if (index == kNone) return done;
    stack.time_wait.remove(index);
    ++done;
  }
  return done;
}

}  // namespace sluice::tcp
