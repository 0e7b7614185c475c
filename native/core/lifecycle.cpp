#include "core/lifecycle.hpp"

#include <cstring>

#include "base/clock.hpp"

namespace sluice::core {

using queue::Counter;

StreamId Lifecycle::accept() {
  const uint32_t slot = parts_.table.allocate();
  if (slot == ConnectionTable::kNone) {
    parts_.counters.add(Counter::connections_refused);
    return kNoStream;
  }
  ConnectionRow& row = parts_.table[slot];
  row.state = ConnectionState::kHandshake;
  row.received_tick = row.sent_tick = parts_.tick();
  row.opened_ds = static_cast<uint32_t>(parts_.now_us / ConnectionRow::kOpenedUnitUs);
  add_deadline(handshakes_, slot, parts_.options.upgrade_timeout_ms);
  parts_.counters.add(Counter::connections_open);
  return slot;
}

void Lifecycle::opened(uint32_t slot) {
  ConnectionRow& row = parts_.table[slot];
  row.state = ConnectionState::kOpen;
  row.set(kAnnounced);
  row.message_length = 0;
  if (parts_.options.protocol == Protocol::kSluice && parts_.options.hello_timeout_ms != 0) {
    add_deadline(hellos_, slot, parts_.options.hello_timeout_ms);
  }
}

void Lifecycle::tell_closed(uint32_t slot, uint16_t code, const uint8_t* reason, uint32_t length) {
  ConnectionRow& row = parts_.table[slot];
  if (!row.has(kAnnounced) || row.has(kCloseTold)) return;
  row.set(kCloseTold);
  parts_.events.close(slot, row.generation, code, reason, length);
}

void Lifecycle::start_closing(uint32_t slot, bool discard) {
  ConnectionRow& row = parts_.table[slot];
  row.state = ConnectionState::kClosing;
  if (discard) row.set(kDiscard);
  // A peer that was paused must be heard again, or its own close would never arrive.
  if (row.has(kPausedByCommand) || row.has(kPausedByQueue)) {
    row.clear(kPausedByCommand);
    row.clear(kPausedByQueue);
    if (!row.paused()) parts_.driver->resume_reading(slot);
  }
  add_deadline(closings_, slot, parts_.options.close_timeout_ms);
  parts_.outbox.touch(slot);
}

void Lifecycle::close(uint32_t slot, uint16_t code, const char* reason, uint32_t length) {
  ConnectionRow& row = parts_.table[slot];
  if (row.state != ConnectionState::kOpen) return;
  uint8_t frame[ws::kMaxIncomplete];
  parts_.outbox.append_copy(slot, frame, ws::write_close_frame(frame, code, reason, length));
  row.close_code = code;
  start_closing(slot, false);
}

void Lifecycle::peer_closed(uint32_t slot, uint16_t code, const uint8_t* reason, uint32_t length) {
  ConnectionRow& row = parts_.table[slot];
  tell_closed(slot, code, reason, length);
  if (row.state == ConnectionState::kOpen) {
    // RFC 6455 §5.5.1: answer with the code that came.
    uint8_t frame[ws::kMaxIncomplete];
    parts_.outbox.append_copy(slot, frame, ws::write_close_frame(frame, code, nullptr, 0));
    start_closing(slot, true);
  }
  row.set(kDiscard);
  // RFC 6455 §7.1.1: the server closes the TCP connection first.
  row.set(kCloseAfterFlush);
  parts_.outbox.touch(slot);
}

void Lifecycle::fail(uint32_t slot, uint16_t code, const char* reason) {
  ConnectionRow& row = parts_.table[slot];
  const auto length = static_cast<uint32_t>(std::strlen(reason));
  tell_closed(slot, code, reinterpret_cast<const uint8_t*>(reason), length);
  if (row.state == ConnectionState::kOpen) {
    uint8_t frame[ws::kMaxIncomplete];
    parts_.outbox.append_copy(slot, frame, ws::write_close_frame(frame, code, reason, length));
    row.close_code = code;
    start_closing(slot, true);
  }
  // FIN, then reading on until the peer's: closing with unread input would reset the stream and could destroy the close frame.
  row.set(kDiscard);
  row.set(kEndAfterFlush);
  parts_.outbox.touch(slot);
}

void Lifecycle::end_after_flush(uint32_t slot) {
  parts_.table[slot].set(kEndAfterFlush);
  start_closing(slot, true);
}

void Lifecycle::abort(uint32_t slot, uint16_t code) {
  tell_closed(slot, code, nullptr, 0);
  close_stream(slot, true);
}

void Lifecycle::peer_ended(uint32_t slot) {
  ConnectionRow& row = parts_.table[slot];
  if (row.state == ConnectionState::kGone || row.state == ConnectionState::kFree) return;
  // RFC 6455 §7.1.5: no close frame came.
  tell_closed(slot, ws::kCloseAbnormal, nullptr, 0);
  // Answers that are on their way still reach a peer that only ended its own side.
  if (parts_.outbox.queued(slot) != 0) {
    if (row.state == ConnectionState::kOpen) start_closing(slot, true);
    row.set(kCloseAfterFlush);
    return;
  }
  close_stream(slot, false);
}

void Lifecycle::drained(uint32_t slot) {
  ConnectionRow& row = parts_.table[slot];
  if (row.state == ConnectionState::kFree || row.state == ConnectionState::kGone) return;
  if (row.has(kCloseAfterFlush)) return close_stream(slot, false);
  if (row.has(kEndAfterFlush)) {
    row.clear(kEndAfterFlush);
    parts_.driver->shutdown_send(slot);
  }
  if (row.has(kNotifyWritable)) {
    row.clear(kNotifyWritable);
    parts_.events.writable(slot, row.generation);
  }
  if (row.has(kPausedByQueue)) {
    row.clear(kPausedByQueue);
    if (!row.paused()) parts_.driver->resume_reading(slot);
  }
}

void Lifecycle::close_stream(uint32_t slot, bool reset) {
  ConnectionRow& row = parts_.table[slot];
  if (row.state == ConnectionState::kGone) return;
  parts_.driver->close(slot, reset);
  stream_gone(slot);
}

void Lifecycle::stream_lost(uint32_t slot) {
  if (parts_.table[slot].state == ConnectionState::kGone) return;
  tell_closed(slot, ws::kCloseAbnormal, nullptr, 0);
  stream_gone(slot);
}

void Lifecycle::stream_gone(uint32_t slot) {
  ConnectionRow& row = parts_.table[slot];
  parts_.outbox.discard(slot);
  parts_.free_piece(row.message_address);
  parts_.free_piece(row.stash_address);
  row.state = ConnectionState::kGone;
  parts_.counters.subtract(Counter::connections_open);
  parts_.counters.add(Counter::connections_closed);
  if (!row.has(kAnnounced) || row.has(kReleased)) {
    parts_.table.release(slot);
  } else {
    tell_closed(slot, ws::kCloseAbnormal, nullptr, 0);
  }
}

void Lifecycle::release(uint32_t slot, hub::DeliverySink& sink) {
  ConnectionRow& row = parts_.table[slot];
  // Only what was announced and told closed is the control plane's to give back.
  if (!row.has(kCloseTold) || row.has(kReleased)) {
    parts_.counters.add(Counter::commands_invalid);
    return;
  }
  // The sets hold rows: what the control plane forgot to take out would be delivered to the row's next connection.
  if (row.subscriptions != 0) {
    parts_.counters.add(Counter::commands_invalid);
    parts_.hub.forget(slot, sink);
    row.subscriptions = 0;
  }
  parts_.handover.forget(slot);
  if (row.state == ConnectionState::kGone) {
    parts_.table.release(slot);
  } else {
    row.set(kReleased);
  }
}

void Lifecycle::close_all(uint16_t code, const char* reason) {
  for (uint32_t slot = 0; slot < parts_.table.high_water(); ++slot) {
    if (parts_.table[slot].state == ConnectionState::kOpen) close(slot, code, reason, static_cast<uint32_t>(std::strlen(reason)));
  }
}

// Written where it stays: one that is copied as soon as it is made waits for its fields, and for the row before them, which is in no cache.
void Lifecycle::add_deadline(std::deque<Deadline>& list, uint32_t slot, uint32_t delay_ms) {
  Deadline& deadline = list.emplace_back();
  deadline.due_us = parts_.now_us + delay_ms * 1000ull;
  deadline.slot = slot;
  deadline.generation = parts_.table[slot].generation;
}

bool Lifecycle::take_expired(std::deque<Deadline>& list, uint32_t& slot) {
  while (!list.empty() && list.front().due_us <= parts_.now_us) {
    const Deadline due = list.front();
    list.pop_front();
    if (!parts_.table.valid(due.slot, due.generation)) continue;
    slot = due.slot;
    return true;
  }
  return false;
}

void Lifecycle::expire() {
  uint32_t slot = 0;
  while (take_expired(handshakes_, slot)) {
    if (parts_.table[slot].state != ConnectionState::kHandshake) continue;
    parts_.counters.add(Counter::closed_upgrade_timeout);
    uint8_t response[ws::kMaxResponse];
    const uint32_t length = ws::write_refusal(response, 408, "the request head did not come in time", 0, wall_clock_s());
    parts_.outbox.append_copy(slot, response, length);
    end_after_flush(slot);
  }
  while (take_expired(hellos_, slot)) {
    ConnectionRow& row = parts_.table[slot];
    if (row.state != ConnectionState::kOpen || row.has(kAdmitted)) continue;
    if (!parts_.attached) {
      // Nobody is there to admit it.
      add_deadline(hellos_, slot, parts_.options.hello_timeout_ms);
      continue;
    }
    parts_.counters.add(Counter::closed_hello_timeout);
    fail(slot, kCloseNotAuthorised, "hello did not come in time");
  }
  while (take_expired(closings_, slot)) {
    if (parts_.table[slot].state != ConnectionState::kClosing) continue;
    parts_.counters.add(Counter::closed_close_timeout);
    abort(slot, ws::kCloseAbnormal);
  }
}

}  // namespace sluice::core
