#include "core/snapshot.hpp"

#include <cstring>
#include <map>
#include <string_view>
#include <utility>

namespace sluice::core {

namespace {

// Gathers words and notes apart: the notes' offsets are known before all words are.
class SnapshotWriter {
 public:
  void word(uint32_t value) { words_.push_back(value); }
  void seq(uint64_t value) {
    word(static_cast<uint32_t>(value));
    word(static_cast<uint32_t>(value >> 32));
  }
  void note(std::string_view note) {
    word(static_cast<uint32_t>(notes_.size()));
    word(static_cast<uint32_t>(note.size()));
    notes_.insert(notes_.end(), note.begin(), note.end());
    notes_.resize((notes_.size() + sizeof(uint32_t) - 1) / sizeof(uint32_t) * sizeof(uint32_t));
  }
  size_t size() const { return words_.size(); }
  uint32_t& operator[](size_t at) { return words_[at]; }
  uint32_t note_bytes() const { return static_cast<uint32_t>(notes_.size()); }

  void append_to(std::vector<uint8_t>& out) {
    const size_t begin = out.size();
    out.resize(begin + words_.size() * sizeof(uint32_t) + notes_.size());
    std::memcpy(out.data() + begin, words_.data(), words_.size() * sizeof(uint32_t));
    if (!notes_.empty()) std::memcpy(out.data() + begin + words_.size() * sizeof(uint32_t), notes_.data(), notes_.size());
  }

 private:
  std::vector<uint32_t> words_;
  std::vector<uint8_t> notes_;
};

constexpr size_t kCounts = 4;  // where they begin

uint32_t write_rows(Parts& parts, SnapshotWriter& out) {
  uint32_t count = 0;
  for (uint32_t slot = 0; slot < parts.table.high_water(); ++slot) {
    const ConnectionRow& row = parts.table[slot];
    if (row.state == ConnectionState::kFree || !row.has(kAnnounced) || row.has(kReleased)) continue;
    out.word(slot);
    out.word(row.generation);
    out.word(static_cast<uint32_t>(row.state));
    out.note(parts.handover.row_note(slot));
    ++count;
  }
  return count;
}

uint32_t write_states(const std::map<std::pair<uint32_t, uint32_t>, uint64_t>& states, SnapshotWriter& out) {
  for (const auto& [key, value] : states) {
    out.word(key.first);
    out.word(key.second);
    out.seq(value);
  }
  return static_cast<uint32_t>(states.size());
}

}  // namespace

void write_snapshot(Parts& parts, std::vector<uint8_t>& bytes) {
  SnapshotWriter out;
  out.word(kSnapshotMagic);
  out.word(parts.core);
  out.word(parts.events.oldest());
  out.word(parts.events.position());
  uint32_t counts[7] = {};
  for (size_t i = 0; i < std::size(counts) + 1; ++i) out.word(0);
  for (uint32_t at = parts.events.oldest(); at != parts.events.position(); ++at) {
    if (!parts.events.is_done(at)) continue;
    out.word(at);
    ++counts[0];
  }
  counts[1] = write_rows(parts, out);
  parts.hub.for_each([&](uint32_t channel, uint64_t, const hub::SubscriberSet& subscribers) {
    subscribers.for_each([&](uint32_t slot) {
      out.word(slot);
      out.word(channel);
      ++counts[2];
    });
  });
  counts[3] = write_states(parts.handover.all_behind(), out);
  counts[4] = write_states(parts.handover.all_marks(), out);
  parts.hub.for_each([&](uint32_t channel, uint64_t last_seq, const hub::SubscriberSet&) {
    out.word(channel);
    out.seq(last_seq);
    ++counts[5];
  });
  parts.handover.for_each_channel([&](uint32_t channel, std::string_view note) {
    out.word(channel);
    out.note(note);
    ++counts[6];
  });
  for (size_t i = 0; i < std::size(counts); ++i) out[kCounts + i] = counts[i];
  out[kCounts + std::size(counts)] = out.note_bytes();
  out.append_to(bytes);
}

}  // namespace sluice::core
