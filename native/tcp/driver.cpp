#include "tcp/driver.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include "tcp/acknowledge.hpp"
#include "tcp/audit.hpp"
#include "tcp/closing.hpp"
#include "tcp/connect.hpp"
#include "tcp/input.hpp"
#include "tcp/listen.hpp"
#include "tcp/pacing.hpp"
#include "tcp/path_mtu.hpp"
#include "tcp/receive.hpp"
#include "tcp/retransmit_timer.hpp"
#include "tcp/rtt.hpp"
#include "tcp/send.hpp"
#include "tcp/short_flight.hpp"
#include "tcp/time_wait_input.hpp"
#include "tcp/waiting_syns.hpp"

namespace sluice::tcp {

namespace {

constexpr uint32_t kRowsMax = 1u << 29;
constexpr uint32_t kKeepaliveProbesMax = 15;  // what a row counts (tcb.hpp)

bool check_options(const TcpOptions& options, std::string& error) {
  const uint64_t flows = static_cast<uint64_t>(options.capacity) + options.orphans_max + options.half_open_max + options.time_wait_max;
  if (options.capacity == 0) {
    error = "tcp: capacity is 0: say how many connections to reserve";
  } else if (flows > kRowsMax) {
    error = "tcp: capacity, orphans_max, half_open_max and time_wait_max are more than 536,870,912 together";
  } else if (options.port_first > options.port_last || options.port_first == 0) {
    error = "tcp: port_first must be at least 1 and at most port_last";
  } else if (options.receive_window_initial < 2048 || options.receive_window_initial > options.receive_window_max ||
             options.receive_window_max > 1u << 30) {
    error = "tcp: receive_window_initial must be at least 2048 and at most receive_window_max, and that at most 1 GiB (RFC 7323)";
  } else if (options.delayed_ack_ms >= 500) {
    error = "tcp: delayed_ack_ms must be below 500 (RFC 9293, 3.8.6.3)";
  } else if (options.rto_min_ms == 0 || options.rto_max_ms < options.rto_min_ms || options.rto_max_ms < 1000) {
    error = "tcp: rto_min_ms must be at least 1, rto_max_ms at least that and 1000";
  } else if (options.keepalive_probes > kKeepaliveProbesMax) {
    error = "tcp: keepalive_probes must be at most 15";
  } else if (options.send_buffer < 4096) {
    error = "tcp: send_buffer must be at least 4096";
  } else {
    return true;
  }
  return false;
}

bool parse_address(const std::string& text, net::IpAddress& out, bool& any) {
  uint8_t v4[4];
  if (inet_pton(AF_INET, text.c_str(), v4) == 1) {
    out = net::IpAddress::from_v4(v4);
    any = (v4[0] | v4[1] | v4[2] | v4[3]) == 0;
    return true;
  }
  if (inet_pton(AF_INET6, text.c_str(), out.bytes) != 1) return false;
  any = std::all_of(std::begin(out.bytes), std::end(out.bytes), [](uint8_t byte) { return byte == 0; });
  return true;
}

}  // namespace

std::unique_ptr<TcpDriver> TcpDriver::make(const TcpOptions& options, const TcpEnvironment& environment, std::string& error) {
  SLUICE_ASSERT(environment.ip != nullptr && environment.reactor != nullptr);
  SLUICE_ASSERT(environment.blocks != nullptr && environment.sink != nullptr);
  if (!check_options(options, error)) return nullptr;
  return std::make_unique<Driver>(options, environment);
}

Driver::~Driver() {
  drop_waiting_syns(stack_);
  // Packets belong to their pool; peers are told nothing, as when a machine loses its power.
  for (uint32_t i = 0; i < stack_.rows.high_water(); ++i) {
    Tcb& row = stack_.rows[i];
    if ((row.flags & (kUsed | kDying)) == kUsed) close_row(stack_, row);
  }
}

// ---- turns ----

// Between turns time is read once, by the first call that needs it.
void Driver::begin_call() noexcept {
  if (polling_ || clock_read_) return;
  stack_.set_now(stack_.reactor.now_us());
  clock_read_ = true;
}

// What has come is taken before timers run: where this thread was kept from its turn for longer than they last (a collection of garbage, a
// machine that does too much), the acknowledgements that they wait for are most often there, and nothing is to be sent again. They wait
// as long as frames do; under a load that never ends, for a few turns.
uint32_t Driver::turn(uint32_t budget) {
  constexpr uint32_t kTurnsPutOff = 16;
  stack_.set_now(stack_.reactor.now_us());
  run_delayed_acks(stack_);
  uint32_t handled = run_read_list(stack_);
  const uint32_t received = stack_.reactor.receive(budget);
  if (send_prompt_acks(stack_)) stack_.ip.flush();
  handled += received;
  const uint32_t syns = take_waiting_syns(stack_);
  // Those that have just come are counted already.
  if (handled == 0) handled = syns;
  if (received < budget || ++turns_put_off_ > kTurnsPutOff) {
    turns_put_off_ = 0;
    run_short_flights(stack_);
    handled += run_timers(stack_) + run_half_open(stack_) + run_time_wait(stack_) + run_orphans(stack_) + keepalive_.run(stack_);
    aging_.run(stack_);
  }
  handled += run_paced(stack_) + run_write_list(stack_);
  free_dying(stack_);
  return handled;
}

uint32_t Driver::poll(int64_t timeout_us, uint32_t budget) {
  polling_ = true;
  flush_acks(stack_);
  detach_idle(stack_);
  uint32_t handled = turn(budget);
  if (handled == 0 && timeout_us != 0) {
    stack_.ip.flush();
    int64_t wait_us = timeout_us;
    const uint64_t deadline = next_deadline_us();
    if (deadline != UINT64_MAX) {
      const auto until = static_cast<int64_t>(deadline > stack_.now_us ? deadline - stack_.now_us : 0);
      wait_us = wait_us < 0 ? until : std::min(wait_us, until);
    }
    if (wait_us != 0) stack_.reactor.wait(wait_us);
    handled = turn(budget);
  }
  polling_ = false;
  clock_read_ = false;
  return handled;
}

uint64_t Driver::next_deadline_us() const noexcept {
  // What is owed at once, or can be delivered, is not a matter of time.
  const bool now = !stack_.ack_list.empty() || !stack_.read_list.empty() || may_answer_syns(stack_);
  if (now) return stack_.now_us;
  const uint32_t now_ms = stack_.now_ms();
  uint32_t least = UINT32_MAX;  // milliseconds from now
  const auto note = [&](uint32_t due_ms) { least = std::min(least, clock_before(now_ms, due_ms) ? due_ms - now_ms : 0); };
  uint32_t due_ms = 0;
  if (stack_.timers.next_due(due_ms)) note(due_ms);
  if (stack_.half_open.next_due(due_ms)) note(due_ms);
  if (stack_.time_wait.next_due(due_ms)) note(due_ms);
  if (stack_.orphans.next_due(now_ms, due_ms)) note(due_ms);
  if (!stack_.delayed_acks.empty()) note(stack_.delayed_acks.front().due_ms);
  if (!stack_.write_list.empty()) note(now_ms + 1);
  // The start of that millisecond: now_ms is rounded down.
  uint64_t due_us = least == UINT32_MAX ? UINT64_MAX : (stack_.now_us / 1000 + least) * 1000;
  const auto note_us = [&](uint32_t at_us) {
    const auto until_us = static_cast<int32_t>(at_us - stack_.now_us32());
    due_us = std::min(due_us, stack_.now_us + static_cast<uint32_t>(std::max(until_us, 0)));
  };
  if (!stack_.held_acks.empty()) note_us(stack_.held_acks.front().due_us);
  if (!stack_.paced.empty()) note_us(stack_.paced.front().due_us);
  if (!stack_.spread.empty()) note_us(stack_.spread.front().due_us);
  if (!stack_.flights_out.empty()) note_us(stack_.flights_out.front().sent_us + kShortFlightUs);
  uint64_t keepalive_us = 0;
  if (keepalive_.next_due(stack_.now_us, keepalive_us)) due_us = std::min(due_us, keepalive_us);
  uint64_t aging_us = 0;
  if (aging_.next_due(stack_, stack_.now_us, aging_us)) due_us = std::min(due_us, aging_us);
  return due_us == UINT64_MAX ? due_us : std::max(due_us, stack_.now_us);
}

void Driver::on_segments(const net::Segment* segments, uint32_t count) { take_connected_first(stack_, segments, count); }

void Driver::on_icmp_error(const net::IcmpError& error) {
  Tcb* const row = find_row(stack_, *error.flow);
  if (row == nullptr) {
    ++stack_.counters.icmp_ignored;
    return;
  }
  settle_flight(stack_, *row);
  take_icmp_error(stack_, *row, error);
}

void Driver::flush() {
  begin_call();
  stack_.bodies.settle();
  flush_acks(stack_);
  detach_idle(stack_);
  stack_.ip.flush();
}

// ---- the application's calls ----

Tcb* Driver::settled_stream(StreamId id) {
  Tcb* const row = stack_.find_stream(id);
  if (row != nullptr) settle_flight(stack_, *row);
  return row;
}

bool Driver::listen(const ListenOptions& options, std::string& error) {
  Listener listener;
  if (!parse_address(options.address, listener.address, listener.any_address)) {
    error = "listening on '" + options.address + "': it is not a numeric IPv4 or IPv6 address";
    return false;
  }
  if (!listener.any_address && !stack_.ip.is_local(listener.address)) {
    error = "listening on " + options.address + ": the interface does not have this address; give it with --ip";
    return false;
  }
  begin_call();
  listener.port = options.port != 0 ? options.port : static_cast<uint16_t>(stack_.options.port_first + stack_.now_us % 1000);
  listener.open = true;
  stack_.listener = listener;
  return true;
}

bool Driver::connect(StreamId id, const net::Flow& flow, std::string& error) {
  if (stack_.connect_sink == nullptr) {
    error = "this driver was made without a ConnectSink";
    return false;
  }
  begin_call();
  return open_active(stack_, id, flow, error);
}

void Driver::write(StreamId id, const IoSlice* slices, uint32_t count) {
  begin_call();
  uint32_t offered = 0;
  for (uint32_t i = 0; i < count; ++i) offered += slices[i].length;
  Tcb* const row = settled_stream(id);
  if (row == nullptr) return stack_.sink.on_written(id, 0, offered);
  if (count == 1 && may_send_at_once(stack_)) {
    const bool own = slices[0].shared == 0 && offered != 0;
    const bool left = (own && send_answer(*row, {0, 0}, slices[0].data, offered)) || send_at_once(stack_, *row, slices[0]);
    if (left) return stack_.sink.on_written(id, offered, offered);
  }
  uint32_t accepted = 0;
  if (may_send(row->state) || row->state == State::kSynSent || row->state == State::kSynReceived) {
    accepted = append_bytes(stack_, *row, slices, count);
  }
  if (accepted != 0) push_out(stack_, *row);
  if (accepted < offered) ++stack_.driver_counters.sends_short;
  stack_.sink.on_written(id, accepted, offered);
}

// The FIN goes with the last bytes: one segment and one acknowledgement for both.
void Driver::write_last(StreamId id, const IoSlice* slices, uint32_t count) {
  begin_call();
  Tcb* const row = settled_stream(id);
  if (row == nullptr || !may_send(row->state)) return write(id, slices, count);
  uint32_t offered = 0;
  for (uint32_t i = 0; i < count; ++i) offered += slices[i].length;
  const uint32_t accepted = append_bytes(stack_, *row, slices, count);
  if (accepted == offered) {
    queue_fin(stack_, *row);
  } else {
    push_out(stack_, *row);
    ++stack_.driver_counters.sends_short;
  }
  stack_.sink.on_written(id, accepted, offered);
}

// As one function: nearly all that a fan-out does for a connection is a dozen small ones, of which the compiler would call most.
[[gnu::flatten]] uint32_t Driver::write_at_once(std::span<const StreamId> ids, uint32_t which, const IoSlice& slice) {
  if (!may_send_at_once(stack_)) return 0;
  begin_call();
  uint32_t sent = 0;
  for (uint32_t left = which; left != 0; left &= left - 1) {
    Tcb* const row = stack_.find_stream(ids[static_cast<uint32_t>(std::countr_zero(left))]);
    if (row != nullptr && send_at_once(stack_, *row, slice)) sent |= left & -left;
  }
  return sent;
}

bool Driver::answer(StreamId id, AnswerHead head, const uint8_t* data, uint32_t length) {
  if (!may_send_at_once(stack_)) return false;
  begin_call();
  Tcb* const row = stack_.find_stream(id);
  return row != nullptr && send_answer(*row, head, data, length);
}

// Not from within a call of the sink's, whose caller has the row's transfer in hand.
bool Driver::send_answer(Tcb& row, AnswerHead head, const uint8_t* data, uint32_t length) {
  return !polling_ && head.bytes + length <= SentRecords::kOwnMost && send_short_answer(stack_, row, head, data, length);
}

void Driver::prefetch(std::span<const StreamId> ids, bool near) const noexcept {
  for (const StreamId id : ids) {
    if (id >= stack_.stream_rows.size()) continue;
    const uint32_t* const index = &stack_.stream_rows[id];
    if (!near) __builtin_prefetch(index);
    if (!near || *index == 0) continue;
    const char* const row = reinterpret_cast<const char*>(&stack_.rows[*index - 1]);
    __builtin_prefetch(row, 1);
    __builtin_prefetch(row + 64, 1);
  }
}

uint32_t Driver::share(const uint8_t* data, uint32_t length) {
  // Where packets are short each connection waits for its own.
  constexpr uint32_t kLeastPiece = 256;
  const bool spare = stack_.packets.free_count() > stack_.packets_total / 4 + length / kLeastPiece;
  return length != 0 && spare && stack_.ip.takes_pieces() ? stack_.bodies.add(data, length) : 0;
}

bool Driver::congested() const noexcept {
  // Behind what a device holds already frames only grow old, and cold. With a quarter of the packets out, peers are slower than we are:
  // were it half, all that is out would take longer to be acknowledged than time-outs last.
  constexpr uint32_t kFramesWaiting = 512;
  const bool much_out = stack_.packets.free_count() < stack_.packets_total / 4 * 3 || stack_.records.all_used();
  return stack_.ip.frames_waiting() > kFramesWaiting || much_out;
}

void Driver::notify_writable(StreamId id) {
  begin_call();
  Tcb* const row = settled_stream(id);
  if (row == nullptr) return;
  row->set(kWantWritable);
  Transfer* const transfer = row->snd_wnd == 0 ? attach_transfer(stack_, *row) : stack_.transfer_of(*row);
  // A window that is closed with nothing queued opens again only by a probe (RFC 9293 §3.8.6.1) or by the peer's own update.
  const bool synchronized = row->state != State::kSynSent && row->state != State::kSynReceived;
  if (transfer != nullptr && synchronized) arm_send_timer(stack_, *row, *transfer, false);
  offer_room(stack_, *row);
}

void Driver::pause_reading(StreamId id) {
  if (Tcb* const row = stack_.find_stream(id)) row->set(kPaused);
}

void Driver::resume_reading(StreamId id) {
  Tcb* const row = settled_stream(id);
  if (row == nullptr || !row->has(kPaused)) return;
  row->clear(kPaused);
  deliver_later(stack_, *row);
}

void Driver::shutdown_send(StreamId id) {
  begin_call();
  if (Tcb* const row = settled_stream(id)) queue_fin(stack_, *row);
}

void Driver::close(StreamId id, bool reset) {
  begin_call();
  if (Tcb* const row = settled_stream(id)) leave(stack_, *row, reset);
}

// ---- what it tells of itself ----

bool Driver::peer_address(StreamId id, PeerAddress& out) const {
  const Tcb* const row = const_cast<Stack&>(stack_).find_stream(id);
  if (row == nullptr) return false;
  out = PeerAddress{};
  out.port = row->remote_port;
  out.family = row->remote.is_v4() ? 4 : 6;
  std::memcpy(out.ip, row->remote.is_v4() ? row->remote.v4() : row->remote.bytes, row->remote.is_v4() ? 4 : 16);
  return true;
}

// What does not grow with the connections: the tables are sized for the worst at start, but cost memory only as far as they are used.
uint64_t Driver::memory_fixed() const noexcept {
  return sizeof *this + stack_.transfers.high_water() * sizeof(Transfer) + stack_.resent.bytes() + stack_.records.bytes() +
         stack_.half_open.bytes() + stack_.waiting_syns.bytes() + stack_.time_wait.bytes();
}

// A row, the stream's index of it, and the flow table's entry with its share of empty ones.
uint64_t Driver::memory_per_stream() const noexcept {
  const uint64_t flows = static_cast<uint64_t>(stack_.rows.size()) + stack_.options.half_open_max + stack_.options.time_wait_max;
  return sizeof(Tcb) + sizeof(uint32_t) + (stack_.flows.bytes() + flows - 1) / flows;
}

TcpGauges Driver::gauges() const noexcept {
  TcpGauges out = stack_.gauges;
  out.orphans_unacknowledged = stack_.gauges.orphans - stack_.orphans.awaiting();
  out.half_open = stack_.half_open.used();
  out.time_wait = stack_.time_wait.used();
  out.active = stack_.transfers.used() + stack_.short_flights;
  return out;
}

uint32_t Driver::quiet_ms(StreamId id) const noexcept {
  const Tcb* const row = const_cast<Stack&>(stack_).find_stream(id);
  return row == nullptr ? UINT32_MAX : stack_.now_ms() - row->last_receive_ms;
}

bool Driver::describe(StreamId id, ConnectionInfo& out) const {
  const Tcb* const row = const_cast<Stack&>(stack_).find_stream(id);
  if (row == nullptr) return false;
  const Transfer* const transfer = stack_.transfer_of(*row);
  out = ConnectionInfo{};
  out.flow = stack_.flow_of(*row);
  out.state = row->state;
  out.mss = row->mss;
  out.cwnd = row->cwnd;
  out.ssthresh = row->ssthresh;
  out.srtt_us = srtt_us(*row);
  out.rto_ms = rto_ms(stack_.options, *row, transfer == nullptr ? 0 : transfer->backoff);
  out.send_window = row->snd_wnd;
  out.receive_window = row->receive_window();
  out.in_flight = row->in_flight();
  out.send_queue = transfer == nullptr ? row->in_flight() : transfer->write_end - row->snd_una;
  out.receive_queue = transfer == nullptr ? 0 : transfer->unread_bytes;
  out.out_of_order = transfer == nullptr ? 0 : transfer->held_bytes;
  return true;
}

void Driver::audit() const { audit_stack(stack_); }

}  // namespace sluice::tcp
