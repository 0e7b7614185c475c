#include "core/inbox.hpp"

#include <algorithm>
#include <cstring>

#include "base/clock.hpp"
#include "ws/short_message.hpp"

namespace sluice::core {

using queue::Counter;

void Inbox::receive(uint32_t slot, uint8_t* data, uint32_t length) {
  ConnectionRow& row = parts_.table[slot];
  row.received_tick = parts_.tick();
  row.heartbeats_missed = row.heartbeats_spared = 0;
  uint8_t* end = data + length;
  if (row.has(kDiscard) || row.state == ConnectionState::kGone) return;
  if (row.has(kStalled)) {
    if (!stash(slot, data, length)) exhausted(slot);
    return;
  }
  if (row.stash_address != 0) data = parse_stash(slot, data, length);
  if (data != nullptr) data = parse(slot, data, end);
  if (data != nullptr && data != end && !stash(slot, data, static_cast<uint32_t>(end - data))) exhausted(slot);
}

// Takes items until the input is used up or incomplete; returns where the unused rest begins, null when there is nothing to keep.
uint8_t* Inbox::parse(uint32_t slot, uint8_t* cursor, uint8_t* end) {
  ConnectionRow& row = parts_.table[slot];
  for (;;) {
    cursor = take_short_messages(slot, cursor, end);
    if (cursor == end) return nullptr;
    if (!parts_.events.room()) {
      stall(slot);
      return cursor;
    }
    const Step step = row.state == ConnectionState::kHandshake ? take_head(slot, cursor, end) : take_item(slot, cursor, end);
    if (row.state == ConnectionState::kGone || row.state == ConnectionState::kFree || row.has(kDiscard)) return nullptr;
    if (step == Step::kStop) return cursor;
  }
}

// Joins the stash with just enough of the new input to get past what was incomplete, so that the bulk of it is parsed in place.
// Returns where the rest of the new input begins, null when nothing of it is left to do.
uint8_t* Inbox::parse_stash(uint32_t slot, uint8_t* data, uint32_t length) {
  ConnectionRow& row = parts_.table[slot];
  uint8_t* end = data + length;
  while (row.stash_address != 0 && data != end) {
    const bool head = row.state == ConnectionState::kHandshake;
    const auto left = static_cast<uint32_t>(end - data);
    const uint32_t part = std::min(left, head ? parts_.options.upgrade.max_head_bytes : ws::kMaxIncomplete);
    const uint32_t before = row.stash_length;
    if (!stash(slot, data, part)) {
      exhausted(slot);
      return nullptr;
    }
    uint8_t* begin = parts_.region.base() + row.stash_address;
    uint32_t piece = row.stash_address;
    const uint32_t total = row.stash_length;
    // The piece is the parser's while it runs; announcing a head takes it over.
    row.stash_address = 0;
    row.stash_length = 0;
    uint8_t* cursor = begin;
    uint8_t* stop = begin + total;
    Step step = Step::kContinue;
    while (step == Step::kContinue && cursor < begin + before && cursor != stop && parts_.events.room()) {
      step = row.state == ConnectionState::kHandshake ? take_head(slot, cursor, stop) : take_item(slot, cursor, stop);
      if (row.state == ConnectionState::kGone || row.state == ConnectionState::kFree || row.has(kDiscard)) {
        parts_.free_piece(piece);
        return nullptr;
      }
    }
    const auto used = static_cast<uint32_t>(cursor - begin);
    if (used >= before) {
      parts_.free_piece(piece);
      data += used - before;
      continue;
    }
    // Still incomplete, or no room: what is left of it stays stashed.
    std::memmove(begin, cursor, total - used);
    row.stash_address = piece;
    row.stash_length = total - used;
    data += part;
    if (!parts_.events.room()) {
      stall(slot);
      break;
    }
  }
  return data == end ? nullptr : data;
}

bool Inbox::stash(uint32_t slot, const uint8_t* data, uint32_t length) {
  ConnectionRow& row = parts_.table[slot];
  const uint32_t total = row.stash_length + length;
  if (row.stash_address == 0 || parts_.piece_capacity(row.stash_address) < total) {
    const uint32_t piece = parts_.allocate_piece(total);
    if (piece == 0) return false;
    if (row.stash_address != 0) {
      std::memcpy(parts_.region.base() + piece, parts_.region.base() + row.stash_address, row.stash_length);
      parts_.free_piece(row.stash_address);
    }
    row.stash_address = piece;
  }
  std::memcpy(parts_.region.base() + row.stash_address + row.stash_length, data, length);
  row.stash_length = total;
  return true;
}

void Inbox::stall(uint32_t slot) {
  ConnectionRow& row = parts_.table[slot];
  if (row.has(kStalled)) return;
  parts_.counters.add(Counter::event_ring_full);
  pause(slot);
  stalled_.push_back(slot);
}

void Inbox::pause(uint32_t slot) {
  ConnectionRow& row = parts_.table[slot];
  if (!row.paused()) parts_.driver->pause_reading(slot);
  row.set(kStalled);
}

void Inbox::park(uint32_t slot) {
  parts_.counters.add(Counter::upgrades_held);
  pause(slot);
  parked_.push_back({parts_.now_us + parts_.options.attach_wait_ms * 1000ull, slot, parts_.table[slot].generation});
}

void Inbox::expire_parked() {
  while (!parked_.empty() && parked_.front().due_us <= parts_.now_us) {
    const Parked due = parked_.front();
    parked_.pop_front();
    if (!parts_.table.valid(due.slot, due.generation)) continue;
    ConnectionRow& row = parts_.table[due.slot];
    if (row.state != ConnectionState::kHandshake || !row.has(kStalled)) continue;
    row.clear(kStalled);
    parts_.free_piece(row.stash_address);
    row.stash_length = 0;
    parts_.counters.add(Counter::upgrades_unattended);
    refuse(due.slot, 503, "no control plane is attached");
    if (!row.paused()) parts_.driver->resume_reading(due.slot);
  }
}

void Inbox::resume_stalled() {
  if (parts_.attached && !parked_.empty()) {
    for (const Parked& waiting : parked_) {
      if (parts_.table.valid(waiting.slot, waiting.generation)) stalled_.push_back(waiting.slot);
    }
    parked_.clear();
  }
  if (stalled_.empty() || !parts_.events.room()) return;
  std::vector<uint32_t> waiting;
  waiting.swap(stalled_);
  for (const uint32_t slot : waiting) {
    ConnectionRow& row = parts_.table[slot];
    // The row may have been given to another connection since.
    if (!row.has(kStalled)) continue;
    row.clear(kStalled);
    uint32_t piece = row.stash_address;
    const uint32_t length = row.stash_length;
    row.stash_address = 0;
    row.stash_length = 0;
    if (piece != 0) {
      uint8_t* begin = parts_.region.base() + piece;
      uint8_t* rest = parse(slot, begin, begin + length);
      const bool kept = rest == nullptr || stash(slot, rest, static_cast<uint32_t>(begin + length - rest));
      parts_.free_piece(piece);
      if (!kept) exhausted(slot);
    }
    // In its handshake it still has to send the rest of its head, in its closing the peer's close frame.
    const bool gone = row.state == ConnectionState::kGone || row.state == ConnectionState::kFree;
    if (!gone && !row.paused()) parts_.driver->resume_reading(slot);
  }
}

// ---- HTTP ----

Inbox::Step Inbox::take_head(uint32_t slot, uint8_t*& cursor, uint8_t* end) {
  ConnectionRow& row = parts_.table[slot];
  ws::RequestHead head;
  ws::HeadVerdict verdict = ws::HeadVerdict::kUpgrade;
  const auto length = static_cast<uint32_t>(end - cursor);
  if (row.message_length != 0 || !upgrades_.recall(cursor, length, head)) {
    verdict = ws::parse_head(cursor, length, row.message_length, parts_.options.upgrade, head);
    if (verdict == ws::HeadVerdict::kUpgrade) upgrades_.remember(cursor, head);
  }
  if (verdict == ws::HeadVerdict::kNeedMore) return Step::kStop;
  row.message_length = 0;
  uint8_t* begin = cursor;
  if (verdict == ws::HeadVerdict::kRefuse) {
    refuse(slot, head.status, head.detail, &head);
    return Step::kStop;
  }
  cursor += head.head_bytes;
  if (verdict == ws::HeadVerdict::kUpgrade) {
    if (parts_.attached) return answer_upgrade(slot, begin, head);
    cursor = begin;
    park(slot);
    return Step::kStop;
  }
  parts_.counters.add(Counter::health_requests);
  uint8_t response[ws::kMaxResponse];
  parts_.outbox.append_copy(slot, response, ws::write_health(response, head, parts_.health_now(), wall_clock_s()));
  if (!head.keep_alive) lifecycle_.end_after_flush(slot);
  return Step::kContinue;
}

void Inbox::refuse(uint32_t slot, uint16_t status, const char* detail, const ws::RequestHead* head) {
  parts_.counters.add(Counter::handshakes_refused);
  uint8_t response[ws::kMaxResponse];
  const uint32_t length = ws::write_refusal(response, status, detail, parts_.retry_after_s, wall_clock_s(), head);
  parts_.outbox.append_copy(slot, response, length);
  lifecycle_.end_after_flush(slot);
}

Inbox::Step Inbox::answer_upgrade(uint32_t slot, const uint8_t* bytes, const ws::RequestHead& head) {
  if (parts_.health == ws::HealthState::kDraining) {
    refuse(slot, 503, "this node is draining", &head);
    return Step::kStop;
  }
  ConnectionRow& row = parts_.table[slot];
  // The event's bytes must outlive this call; a head that came in pieces lies in a stash that does not.
  const uint32_t length = head.head_bytes - 2;
  const uint8_t* kept = bytes;
  if (!parts_.blocks.contains(bytes)) {
    const uint32_t piece = parts_.allocate_piece(length);
    if (piece == 0) {
      refuse(slot, 503, "out of memory for requests");
      return Step::kStop;
    }
    std::memcpy(parts_.region.base() + piece, bytes, length);
    kept = parts_.region.base() + piece;
  }
  PeerAddress peer{};
  parts_.driver->peer_address(slot, peer);
  uint8_t response[ws::kMaxResponse];
  parts_.outbox.append_copy(slot, response, ws::write_switching_protocols(response, head));
  parts_.counters.add(Counter::handshakes);
  row.parser = ws::ParserState{};
  lifecycle_.opened(slot);
  parts_.events.open(slot, row.generation, kept, length, peer);
  return Step::kContinue;
}

// ---- frames ----

Inbox::Step Inbox::take_item(uint32_t slot, uint8_t*& cursor, uint8_t* end) {
  ConnectionRow& row = parts_.table[slot];
  const ws::Item item = ws::next_item(row.parser, cursor, end, ws::ParserLimits{parts_.options.max_message});
  switch (item.kind) {
    case ws::ItemKind::kNeedMore:
      return Step::kStop;
    case ws::ItemKind::kData:
      return take_data(slot, item);
    case ws::ItemKind::kPing:
      parts_.counters.add(Counter::pings_in);
      // A peer that sends pings and reads nothing does not make us hold its pongs.
      if (row.state == ConnectionState::kOpen && !parts_.outbox.over_budget(slot)) {
        parts_.outbox.append_frame(slot, ws::Opcode::kPong, item.data, item.length);
      }
      return Step::kContinue;
    case ws::ItemKind::kPong:
      parts_.counters.add(Counter::pongs_in);
      return Step::kContinue;
    case ws::ItemKind::kClose:
      endings_.closed(slot, item.code, item.data, item.length);
      return Step::kStop;
    case ws::ItemKind::kError:
      parts_.counters.add(Counter::protocol_errors);
      endings_.failed(slot, item.code, item.detail);
      return Step::kStop;
  }
  return Step::kStop;
}

Inbox::Step Inbox::take_data(uint32_t slot, const ws::Item& item) {
  ConnectionRow& row = parts_.table[slot];
  // After our close frame data is no longer delivered (RFC 6455 §1.4), but is still parsed to find the peer's close.
  if (row.state != ConnectionState::kOpen) return Step::kContinue;
  if (item.first && item.last && parts_.blocks.contains(item.data)) {
    announce(slot, item.data, item.length, item.text);
    return Step::kContinue;
  }
  if (item.length != 0 && !gather(slot, item.data, item.length)) {
    exhausted(slot);
    return Step::kStop;
  }
  if (item.last) {
    const uint8_t* data = row.message_address != 0 ? parts_.region.base() + row.message_address : nullptr;
    const uint32_t length = row.message_length;
    const bool taken = announce(slot, data, length, item.text);
    // Announced, the piece belongs to the event.
    if (taken) {
      row.message_address = 0;
    } else {
      parts_.free_piece(row.message_address);
    }
    row.message_length = 0;
  }
  return Step::kContinue;
}

// Messages that lie whole behind one another, as those of a busy client do: what concerns all of them is asked and counted once. Returns
// where something else begins, or what there is no room for.
uint8_t* Inbox::take_short_messages(uint32_t slot, uint8_t* cursor, uint8_t* end) {
  ConnectionRow& row = parts_.table[slot];
  if (row.state != ConnectionState::kOpen || !row.parser.idle() || !parts_.blocks.contains(cursor)) return cursor;
  EventWriter& events = parts_.events;
  const uint32_t most = parts_.options.max_message;
  const uint32_t generation = row.generation;
  uint32_t messages = 0;
  uint64_t bytes = 0;
  ws::ShortMessage message;
  while (events.room() && ws::take_short(cursor, end, most, message)) {
    uint32_t header_length;
    if (!look_at(message.data, message.length, header_length)) continue;
    events.message(slot, generation, message.data, message.length, header_length, message.text);
    ++messages;
    bytes += message.length;
  }
  if (messages != 0) count(row, messages, bytes);
  return cursor;
}

// Finds where the header line ends. False when the message is a heartbeat and is answered for already.
inline bool Inbox::look_at(const uint8_t* data, uint32_t length, uint32_t& header_length) const {
  header_length = length;
  if (parts_.options.protocol != Protocol::kSluice || length == 0) return true;
  static constexpr char kHeartbeat[] = R"({"op":"hb"})";
  if (length == sizeof kHeartbeat - 1 && std::memcmp(data, kHeartbeat, length) == 0) return false;
  const void* newline = std::memchr(data, '\n', length);
  if (newline != nullptr) header_length = static_cast<uint32_t>(static_cast<const uint8_t*>(newline) - data);
  return true;
}

// The last one's event was just written.
inline void Inbox::count(ConnectionRow& row, uint32_t messages, uint64_t bytes) {
  messages_ += messages;
  parts_.counters.add(Counter::payload_bytes_in, bytes);
  row.last_event = static_cast<uint16_t>(parts_.events.position() - 1);
}

// False when it has led to no event.
bool Inbox::announce(uint32_t slot, const uint8_t* data, uint32_t length, bool text) {
  ConnectionRow& row = parts_.table[slot];
  uint32_t header_length;
  if (!look_at(data, length, header_length)) return false;
  parts_.events.message(slot, row.generation, data, length, header_length, text);
  count(row, 1, length);
  return true;
}

bool Inbox::gather(uint32_t slot, const uint8_t* data, uint32_t length) {
  ConnectionRow& row = parts_.table[slot];
  const uint32_t total = row.message_length + length;
  if (row.message_address == 0 || parts_.piece_capacity(row.message_address) < total) {
    // By what has come, not by what a frame header promises: a promise must cost the peer as much as it costs us.
    const uint32_t piece = parts_.allocate_piece(total);
    if (piece == 0) return false;
    if (row.message_address != 0) {
      std::memcpy(parts_.region.base() + piece, parts_.region.base() + row.message_address, row.message_length);
      parts_.free_piece(row.message_address);
    }
    row.message_address = piece;
  }
  std::memcpy(parts_.region.base() + row.message_address + row.message_length, data, length);
  row.message_length = total;
  return true;
}

void Inbox::exhausted(uint32_t slot) {
  parts_.counters.add(Counter::dropped_assembly_exhausted);
  if (!exhausted_told_) parts_.events.notice(queue::kNoticeAssemblyExhausted, parts_.assembly.total_bytes());
  exhausted_told_ = true;
  if (parts_.table[slot].state == ConnectionState::kHandshake) {
    refuse(slot, 503, "out of memory for requests");
  } else {
    lifecycle_.fail(slot, ws::kCloseTryLater, "out of memory for messages that span buffers");
  }
}

}  // namespace sluice::core
