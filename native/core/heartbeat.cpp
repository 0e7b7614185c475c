#include "core/heartbeat.hpp"

#include <algorithm>

namespace sluice::core {

using queue::Counter;

void Heartbeat::walk() {
  if (parts_.now_us - walked_us_ < kWalkEveryUs) return;
  const uint32_t rows = parts_.table.high_water();
  if (parts_.options.heartbeat_ms == 0 || rows == 0) {
    walked_us_ = parts_.now_us;
    return;
  }
  const uint64_t walk_us = parts_.options.heartbeat_ms * 1000ull / kWalksPerInterval;
  const uint64_t elapsed = std::min(parts_.now_us - walked_us_, walk_us);
  walked_us_ = parts_.now_us;
  // Those that opened together are due together. Spread over four fifths of an interval they hold nobody up; who is late by that is not
  // taken for dead, as two more have to be missed.
  allowed_ = std::max<uint64_t>(kAllowedLeast * elapsed / 1'000'000, 5 * elapsed * rows / (4 * parts_.options.heartbeat_ms * 1000ull));
  // The fraction of a row is carried over: a small table is walked as evenly as a large one.
  due_ = std::min<uint64_t>(due_ + (elapsed * rows << 16) / std::max<uint64_t>(walk_us, 1), static_cast<uint64_t>(rows) << 16);
  for (; due_ >= 1 << 16; due_ -= 1 << 16) {
    if (next_ >= rows) next_ = 0;
    look_at(next_++);
  }
}

void Heartbeat::look_at(uint32_t slot) {
  ConnectionRow& row = parts_.table[slot];
  if (row.state != ConnectionState::kOpen) return;
  const uint16_t now = parts_.tick();
  const uint32_t heard = static_cast<uint16_t>(now - row.received_tick);
  const uint32_t said = static_cast<uint16_t>(now - row.sent_tick);
  // A connection whose input we hold back ourselves cannot answer.
  if (row.paused()) return;
  if (heard >= (kMissedAllowed + 1) * Parts::kTicksPerHeartbeat && row.heartbeats_missed >= kMissedAllowed) {
    parts_.counters.add(Counter::heartbeats_missed);
    lifecycle_.fail(slot, kCloseHeartbeatMissed, "heartbeat missed");
    return;
  }
  bool silent = heard >= (row.heartbeats_missed + 1u) * Parts::kTicksPerHeartbeat;
  if (silent && acknowledged(slot)) silent = false;
  // The peer needs a sign of life as well: one that is only listened to would take us for dead.
  if (silent || said >= Parts::kTicksPerHeartbeat) {
    if (allowed_ == 0) return;
    --allowed_;
  }
  if (silent) {
    ++row.heartbeats_missed;
    send(slot);
  } else if (said >= Parts::kTicksPerHeartbeat) {
    send(slot);
  }
}

// Who acknowledges what it is sent is there, and need not be asked as well. Not once it has been asked: of that its TCP knows nothing.
bool Heartbeat::acknowledged(uint32_t slot) {
  ConnectionRow& row = parts_.table[slot];
  if (row.heartbeats_missed != 0 || row.heartbeats_spared == kSparedMost) return false;
  const uint64_t quiet_us = parts_.driver->quiet_ms(slot) * 1000ull;
  if (quiet_us >= parts_.options.heartbeat_ms * 1000ull) return false;
  const uint16_t tick = parts_.tick_at(parts_.now_us - quiet_us);
  // What came with the last that was heard, or soon after, says no more than that.
  constexpr int16_t kSoon = Parts::kTicksPerHeartbeat / 8;
  if (static_cast<int16_t>(tick - row.received_tick) < kSoon) return false;
  row.received_tick = tick;
  ++row.heartbeats_spared;
  return true;
}

void Heartbeat::send(uint32_t slot) {
  ConnectionRow& row = parts_.table[slot];
  if (parts_.outbox.over_budget(slot)) return;
  parts_.counters.add(Counter::heartbeats_sent);
  row.sent_tick = parts_.tick();
  if (parts_.options.protocol == Protocol::kSluice) {
    static constexpr uint8_t kFrame[] = "\x81\x0b{\"op\":\"hb\"}";
    static_assert(sizeof kFrame == 2 + 11 + 1);
    parts_.outbox.append_reference(slot, kFrame, sizeof kFrame - 1);
  } else {
    static constexpr uint8_t kPing[] = {0x89, 0x00};
    parts_.outbox.append_reference(slot, kPing, sizeof kPing);
  }
}

}  // namespace sluice::core
