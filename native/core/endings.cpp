#include "core/endings.hpp"

#include <algorithm>
#include <cstring>

#include "base/assert.hpp"

namespace sluice::core {

// RFC 6455 §5.5.1: an answer to a close frame may wait until the message in progress is sent.
void Endings::closed(uint32_t slot, uint16_t code, const uint8_t* reason, uint32_t length) {
  if (!postpone(slot, Kind::kClosed, code, nullptr, reason, length)) lifecycle_.peer_closed(slot, code, reason, length);
}

void Endings::failed(uint32_t slot, uint16_t code, const char* detail) {
  if (!postpone(slot, Kind::kFailed, code, detail, nullptr, 0)) lifecycle_.fail(slot, code, detail);
}

void Endings::ended(uint32_t slot) {
  ConnectionRow& row = parts_.table[slot];
  if (row.has(kEnding)) return row.set(kStreamEnded);
  if (!postpone(slot, Kind::kEnded, ws::kCloseAbnormal, nullptr, nullptr, 0)) lifecycle_.peer_ended(slot);
}

void Endings::leaves(uint32_t slot, uint16_t code, const uint8_t* reason, uint32_t length) {
  // The rest does not fit a close frame.
  length = std::min(length, ws::kMaxIncomplete);
  if (parts_.table[slot].has(kEnding) || postpone(slot, Kind::kLeaves, code, nullptr, reason, length)) return;
  lifecycle_.close(slot, code, reinterpret_cast<const char*>(reason), length);
}

bool Endings::unanswered(uint32_t slot) noexcept {
  ConnectionRow& row = parts_.table[slot];
  if (row.state != ConnectionState::kOpen) return false;
  return row.has(kAnswering) || parts_.events.unconfirmed(slot, row.generation, row.last_event);
}

bool Endings::postpone(uint32_t slot, Kind kind, uint16_t code, const char* detail, const uint8_t* reason, uint32_t length) {
  if (!unanswered(slot)) return false;
  ConnectionRow& row = parts_.table[slot];
  Ending ending{};
  SLUICE_ASSERT(length <= ending.reason.size());
  ending.due_us = parts_.now_us + parts_.options.close_timeout_ms * 1000ull;
  ending.slot = slot;
  ending.generation = row.generation;
  ending.detail = detail;
  ending.code = code;
  ending.kind = kind;
  ending.reason_length = static_cast<uint8_t>(length);
  if (length != 0) std::memcpy(ending.reason.data(), reason, length);
  // Still open to what is sent to it; nothing more is taken from it.
  row.set(kEnding);
  if (kind != Kind::kLeaves) row.set(kDiscard);
  waiting_.push_back(ending);
  return true;
}

void Endings::settle() {
  if (waiting_.empty()) return;
  std::vector<Ending> all;
  all.swap(waiting_);
  for (const Ending& ending : all) {
    if (!parts_.table.valid(ending.slot, ending.generation)) continue;
    if (parts_.now_us < ending.due_us && unanswered(ending.slot)) {
      waiting_.push_back(ending);
    } else {
      carry_out(ending);
    }
  }
}

void Endings::carry_out(const Ending& ending) {
  ConnectionRow& row = parts_.table[ending.slot];
  if (row.state == ConnectionState::kGone || row.state == ConnectionState::kFree) return;
  const bool stream_ended = row.has(kStreamEnded);
  row.clear(kEnding);
  row.clear(kStreamEnded);
  // Where this side closed meanwhile, for another reason, the control plane knows of it already.
  switch (ending.kind) {
    case Kind::kClosed: lifecycle_.peer_closed(ending.slot, ending.code, ending.reason.data(), ending.reason_length); break;
    case Kind::kFailed:
      if (!row.has(kCloseTold)) lifecycle_.fail(ending.slot, ending.code, ending.detail);
      break;
    case Kind::kEnded: return lifecycle_.peer_ended(ending.slot);
    case Kind::kLeaves: {
      const bool closed_meanwhile = row.has(kDiscard);
      lifecycle_.close(ending.slot, ending.code, reinterpret_cast<const char*>(ending.reason.data()), ending.reason_length);
      if (!closed_meanwhile) break;
      // The peer's own ending waits behind this one.
      row.set(kEnding);
      if (stream_ended) row.set(kStreamEnded);
      return;
    }
  }
  if (stream_ended) lifecycle_.peer_ended(ending.slot);
}

}  // namespace sluice::core
