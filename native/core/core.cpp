#include "core/core.hpp"

#include <algorithm>
#include <bit>

#include "base/clock.hpp"
#include "core/snapshot.hpp"

namespace sluice::core {

using queue::Counter;

Core::Core(queue::Region& region, uint32_t index, const CoreOptions& options)
    : parts_(region, index, options, *this), lifecycle_(parts_), endings_(parts_, lifecycle_), inbox_(parts_, lifecycle_, endings_),
      heartbeat_(parts_, lifecycle_), commands_(parts_, lifecycle_, endings_, *this), inspection_(parts_),
      budget_(options.receive_budget) {
  parts_.set_now(monotonic_us());
}

Core::~Core() = default;

void Core::attach(std::unique_ptr<StreamDriver> driver, DeviceSide* device) {
  driver_ = std::move(driver);
  device_ = device;
  parts_.driver = driver_.get();
  parts_.outbox.attach(*driver_);
}

// ---- the turn ----

uint64_t Core::now_us() noexcept { return device_ != nullptr ? device_->now_us() : monotonic_us(); }

bool Core::receive(int64_t timeout_us) {
  parts_.set_now(now_us());
  parts_.events.reclaim();
  inbox_.resume_stalled();
  // Deadlines are looked at as often as kCareEveryUs, so no wait may be longer.
  const auto care = static_cast<int64_t>(kCareEveryUs);
  int64_t wait = timeout_us < 0 || timeout_us > care ? care : timeout_us;
  if (parts_.hub.flushing()) wait = 0;
  handled_ = take_in(wait);
  if (wait != 0) parts_.set_now(now_us());
  if (parts_.now_us >= care_due_us_) take_care();
  heartbeat_.walk();
  return parts_.events.publish();
}

uint32_t Core::take_in(int64_t wait_us) {
  // Acknowledgements of a fan-out make room for more of it: they are not kept waiting.
  if (device_ == nullptr || parts_.hub.flushing()) return driver_->poll(wait_us, parts_.options.receive_budget);
  const uint32_t handled = driver_->poll(wait_us, budget_.next());
  budget_.took(handled);
  return handled;
}

void Core::take_care() {
  care_due_us_ = parts_.now_us + kCareEveryUs;
  lifecycle_.expire();
  endings_.settle();
  inbox_.expire_parked();
  inspection_.serve();
  if (parts_.now_us >= count_due_us_) publish_counters();
}

void Core::fan_out(bool whole) {
  held_up_ = false;
  if (!parts_.hub.flushing()) return;
  held_up_ = !whole && driver_->congested() && parts_.now_us - fanned_out_us_ < kHeldUpUs;
  if (held_up_) return;
  fanned_out_us_ = parts_.now_us;
  const uint32_t most = device_ != nullptr ? kSubscribersATurnOfDevice : kSubscribersATurn;
  const uint64_t delivered = parts_.hub.flush(*this, whole ? UINT32_MAX : most);
  parts_.messages_out += delivered;
  parts_.counters.add(Counter::deliveries, delivered);
}

uint32_t Core::transmit(bool& reader_waits, bool whole) {
  const uint32_t count = commands_.run(parts_.options.command_budget);
  unconfirmed_ |= count != 0;
  endings_.settle();
  fan_out(whole);
  parts_.outbox.flush();
  // Every turn: whoever has millions to tell something goes by it.
  parts_.counters.set(Counter::congested, driver_->congested() || parts_.outbox.crowded());
  const bool over = !parts_.hub.flushing();
  reader_waits = unconfirmed_ && over && commands_.done();
  if (over) unconfirmed_ = false;
  // Flushing can end connections: what they have to say must not wait for the next turn.
  static_cast<void>(parts_.events.publish());
  const uint64_t receives = driver_->counters().receives;
  const uint64_t messages = inbox_.messages();
  const uint64_t fresh = receives - paced_receives_;
  // Under pipelined load a short wait brings more messages with each receive and each send; one message a receive gains nothing.
  pacing_us_ = fresh >= 8 && (messages - paced_messages_) * 2 >= fresh * 3 ? parts_.options.pacing_us : 0;
  if (held_up_) pacing_us_ = kHeldUpPacingUs;
  paced_receives_ = receives;
  paced_messages_ = messages;
  return over ? count : count + 1;
}

void Core::detach() {
  bool reader_waits = false;
  // Not where there is nothing to do: before its start this is another thread's call, and io_uring takes who submits first for the owner.
  while (!commands_.corrupted() && (commands_.pending() || parts_.hub.flushing())) transmit(reader_waits, true);
  commands_.reset();
  parts_.events.reclaim();
  parts_.attached = false;
  served_ = false;
  parts_.health = ws::HealthState::kServing;
  parts_.counters.set(Counter::detached, 1);
}

void Core::attach_owner(std::vector<uint8_t>& snapshot) {
  write_snapshot(parts_, snapshot);
  parts_.attached = true;
  parts_.counters.set(Counter::detached, 0);
}

void Core::publish_counters() {
  count_due_us_ = parts_.now_us + kCountEveryUs;
  const DriverCounters& driver = driver_->counters();
  queue::Counters& counters = parts_.counters;
  counters.set(Counter::messages_in, inbox_.messages());
  counters.set(Counter::messages_out, parts_.messages_out);
  counters.set(Counter::connections_accepted, driver.accepted);
  counters.set(Counter::bytes_received, driver.bytes_received);
  counters.set(Counter::bytes_sent, driver.bytes_sent);
  counters.set(Counter::receives, driver.receives);
  counters.set(Counter::sends, driver.sends);
  counters.set(Counter::sends_short, driver.sends_short);
  counters.set(Counter::system_calls, driver.system_calls);
  counters.set(Counter::accept_paused, driver.accept_paused);
  counters.set(Counter::receive_exhausted, driver.receive_exhausted);
  counters.set(Counter::subscriptions, parts_.hub.subscriptions());
  counters.set(Counter::channels, parts_.hub.channels());
  counters.set(Counter::send_queue_bytes, parts_.outbox.queued_total());
  counters.set(Counter::assembly_bytes, parts_.assembly.used_bytes());
  counters.set(Counter::receive_blocks_held, parts_.blocks.count() - parts_.blocks.free_count());
  counters.set(Counter::memory_rows_bytes, static_cast<uint64_t>(parts_.table.high_water()) * sizeof(ConnectionRow));
  counters.set(Counter::memory_driver_bytes, driver_->memory_fixed() + driver_->memory_per_stream() * parts_.table.in_use());
  counters.set(Counter::memory_hub_bytes, parts_.hub.memory());
  counters.set(Counter::memory_send_queue_bytes, parts_.outbox.memory());
  counters.set(Counter::memory_handover_bytes, parts_.handover.memory());
  counters.add(Counter::turns);
  if (device_ != nullptr) device_->publish(counters);
}

// ---- StreamSink ----

StreamId Core::on_accept() { return lifecycle_.accept(); }

void Core::on_data(StreamId id, uint8_t* data, uint32_t length) { inbox_.receive(id, data, length); }

void Core::on_end(StreamId id) { endings_.ended(id); }

void Core::on_written(StreamId id, uint32_t accepted, uint32_t offered) {
  if (accepted != 0) parts_.table[id].sent_tick = parts_.tick();
  parts_.outbox.on_written(id, accepted, offered);
}

void Core::on_writable(StreamId id) { parts_.outbox.on_writable(id); }

void Core::on_error(StreamId id, int) { lifecycle_.stream_lost(id); }

void Core::on_notice(NoticeKind kind, int error) {
  switch (kind) {
    case NoticeKind::kFileLimit:
      return parts_.events.notice(queue::kNoticeFileLimit, static_cast<uint32_t>(error));
    case NoticeKind::kFileLimitOver:
      return parts_.events.notice(queue::kNoticeFileLimitOver, static_cast<uint32_t>(error));
    case NoticeKind::kReceiveExhausted:
      return parts_.events.notice(queue::kNoticeReceiveExhausted, static_cast<uint32_t>(error));
    case NoticeKind::kListenError:
      return parts_.events.notice(queue::kNoticeListenError, static_cast<uint32_t>(error));
  }
}

// ---- fan-out ----

uint32_t Core::deliver(std::span<const uint32_t> slots, std::span<const hub::Piece> pieces) {
  const uint32_t done = pieces.size() == 1 ? deliver_at_once(slots, pieces[0]) : 0;
  uint32_t over_budget = 0;
  for (uint32_t left = ((1u << slots.size()) - 1) & ~done; left != 0; left &= left - 1) {
    const auto i = static_cast<uint32_t>(std::countr_zero(left));
    if (!deliver_later(slots[i], pieces)) over_budget |= 1u << i;
  }
  return over_budget;
}

// Nearly all of a crowd have nothing waiting: theirs leaves here, while what it concerns is in the cache. Returns whose did.
uint32_t Core::deliver_at_once(std::span<const uint32_t> slots, const hub::Piece& piece) {
  uint32_t idle = 0;
  for (uint32_t i = 0; i < slots.size(); ++i) {
    const ConnectionRow& row = parts_.table[slots[i]];
    const bool nothing_before = row.state == ConnectionState::kOpen && (row.batch | row.queue) == 0 && !row.awaits_drain();
    idle |= static_cast<uint32_t>(nothing_before) << i;
  }
  const uint32_t sent = driver_->write_at_once(slots, idle, {piece.data, piece.length, piece.shared});
  uint64_t bytes = 0;
  for (uint32_t left = sent; left != 0; left &= left - 1) {
    parts_.table[slots[std::countr_zero(left)]].sent_tick = parts_.tick();
    bytes += piece.length;
  }
  parts_.counters.add(Counter::payload_bytes_out, bytes);
  return sent;
}

// False: it is over its send budget.
bool Core::deliver_later(uint32_t slot, std::span<const hub::Piece> pieces) {
  if (parts_.table[slot].state != ConnectionState::kOpen) return true;
  if (parts_.outbox.over_budget(slot)) return false;
  for (const hub::Piece& piece : pieces) {
    parts_.outbox.append_reference(slot, piece.data, piece.length, piece.shared);
    parts_.counters.add(Counter::payload_bytes_out, piece.length);
  }
  // A flush calls back into the hub only through the control plane, so it is safe in the middle of a fan-out.
  if (parts_.outbox.full()) parts_.outbox.flush();
  return true;
}

void Core::lagging(uint32_t slot, uint32_t channel, uint64_t next_seq) {
  parts_.counters.add(Counter::lagging);
  --parts_.table[slot].subscriptions;
  parts_.handover.behind(slot, channel, next_seq);
  parts_.events.lagging(slot, parts_.table[slot].generation, channel, next_seq);
}

void Core::on_drained(uint32_t slot) { lifecycle_.drained(slot); }

}  // namespace sluice::core
