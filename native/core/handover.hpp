#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace sluice::core {

// What a control plane leaves with a core so that a successor can go on after its death. It changes by commands only, in the order of
// what clients are sent, so that what a client saw and what the successor finds are always the same. Notes are opaque here. It is the
// core's own memory, not the region's: what a dying process wrote last cannot damage it.
class Handover {
 public:
  static constexpr uint32_t kMaxNote = 64u << 10;

  // Replaces the row's note. False when it is too long.
  bool note_row(uint32_t slot, const uint8_t* data, uint32_t length);
  bool note_channel(uint32_t channel, const uint8_t* data, uint32_t length);
  std::string_view row_note(uint32_t slot) const noexcept;

  // The row's subscription is not live: it still has to get everything from `next_seq` on.
  void behind(uint32_t slot, uint32_t channel, uint64_t next_seq) { behind_[{slot, channel}] = next_seq; }
  // The row was sent everything below a sequence number with this low word.
  void advance(uint32_t slot, uint32_t channel, uint32_t next_low) noexcept;
  void forget_behind(uint32_t slot, uint32_t channel);
  // What the control plane wants its successor to know of a subscription; 0 nothing.
  void mark(uint32_t slot, uint32_t channel, uint64_t mark);
  void forget(uint32_t slot);

  const std::map<std::pair<uint32_t, uint32_t>, uint64_t>& all_behind() const noexcept { return behind_; }
  const std::map<std::pair<uint32_t, uint32_t>, uint64_t>& all_marks() const noexcept { return marks_; }
  template <typename Fn>
  void for_each_channel(Fn&& fn) const {
    for (const auto& [channel, note] : channels_) fn(channel, std::string_view(note));
  }

  uint64_t memory() const noexcept;

 private:
  // A length of four bytes, then the note.
  std::vector<std::unique_ptr<uint8_t[]>> rows_;
  std::unordered_map<uint32_t, std::string> channels_;
  std::map<std::pair<uint32_t, uint32_t>, uint64_t> behind_;
  std::map<std::pair<uint32_t, uint32_t>, uint64_t> marks_;
  uint64_t note_bytes_ = 0;
};

}  // namespace sluice::core
