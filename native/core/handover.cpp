#include "core/handover.hpp"

#include <cstring>

namespace sluice::core {

bool Handover::note_row(uint32_t slot, const uint8_t* data, uint32_t length) {
  if (length > kMaxNote) return false;
  if (slot >= rows_.size()) rows_.resize(slot + 1 + slot / 2);
  note_bytes_ -= row_note(slot).size();
  if (length == 0) {
    rows_[slot].reset();
    return true;
  }
  auto note = std::make_unique<uint8_t[]>(sizeof length + length);
  std::memcpy(note.get(), &length, sizeof length);
  std::memcpy(note.get() + sizeof length, data, length);
  rows_[slot] = std::move(note);
  note_bytes_ += length;
  return true;
}

std::string_view Handover::row_note(uint32_t slot) const noexcept {
  if (slot >= rows_.size() || !rows_[slot]) return {};
  uint32_t length;
  std::memcpy(&length, rows_[slot].get(), sizeof length);
  return {reinterpret_cast<const char*>(rows_[slot].get()) + sizeof length, length};
}

bool Handover::note_channel(uint32_t channel, const uint8_t* data, uint32_t length) {
  if (length > kMaxNote) return false;
  if (length == 0) {
    channels_.erase(channel);
  } else {
    channels_[channel].assign(reinterpret_cast<const char*>(data), length);
  }
  return true;
}

void Handover::advance(uint32_t slot, uint32_t channel, uint32_t next_low) noexcept {
  const auto at = behind_.find({slot, channel});
  // One step of a catch-up is far below 2^31 messages, and it only moves forward.
  if (at == behind_.end()) return;
  const uint32_t step = next_low - static_cast<uint32_t>(at->second);
  if (step < 1u << 31) at->second += step;
}

void Handover::forget_behind(uint32_t slot, uint32_t channel) {
  if (!behind_.empty()) behind_.erase({slot, channel});
}

void Handover::forget(uint32_t slot) {
  if (slot < rows_.size() && rows_[slot]) {
    note_bytes_ -= row_note(slot).size();
    rows_[slot].reset();
  }
  for (auto* states : {&behind_, &marks_}) {
    if (!states->empty()) states->erase(states->lower_bound({slot, 0}), states->upper_bound({slot, UINT32_MAX}));
  }
}

void Handover::mark(uint32_t slot, uint32_t channel, uint64_t mark) {
  if (mark != 0) {
    marks_[{slot, channel}] = mark;
  } else if (!marks_.empty()) {
    marks_.erase({slot, channel});
  }
}

uint64_t Handover::memory() const noexcept {
  // What malloc adds to a block, and a node of a map.
  constexpr uint64_t kBlock = 16, kNode = 80;
  return note_bytes_ + rows_.capacity() * (sizeof(void*) + kBlock) + channels_.size() * (kNode + 64) +
         (behind_.size() + marks_.size()) * kNode;
}

}  // namespace sluice::core
