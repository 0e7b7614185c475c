#pragma once

#include <cstdint>
#include <memory>

namespace sluice::hub {

// The slots subscribed to one channel on one core: open addressing over 32-bit slots, load at most 3/4, so 5.3 to 10.7 bytes a
// subscription; up to two need no allocation. Removal shifts back, so a walk meets each subscriber once.
class SubscriberSet {
 public:
  static constexpr uint32_t kEmpty = UINT32_MAX;

  SubscriberSet() = default;
  SubscriberSet(SubscriberSet&&) noexcept = default;
  SubscriberSet& operator=(SubscriberSet&&) noexcept = default;

  // False when it was there already.
  bool insert(uint32_t slot);
  // False when it was not there.
  bool erase(uint32_t slot);
  bool contains(uint32_t slot) const noexcept;
  uint32_t size() const noexcept { return size_; }
  uint64_t memory() const noexcept { return slots_ ? static_cast<uint64_t>(capacity_) * sizeof(uint32_t) : 0; }

  // Calls fn(slot) for each. The set must not change meanwhile.
  template <typename Fn>
  void for_each(Fn&& fn) const {
    uint32_t most = UINT32_MAX;
    visit(0, most, [](uint32_t) {}, fn);
  }

  // The same for at most `most`, which becomes what is left of it, from place `from` on (0 to begin with); returns the place at which to go
  // on, kEnd behind the last. ahead(slot) is called for each some while before.
  static constexpr uint32_t kEnd = UINT32_MAX;
  template <typename Ahead, typename Fn>
  uint32_t visit(uint32_t from, uint32_t& most, Ahead&& ahead, Fn&& fn) const {
    const uint32_t* const slots = slots_ ? slots_.get() : inline_;
    const uint32_t end = slots_ ? capacity_ : size_;
    for (; from < end && most != 0; ++from) {
      if (from + kAhead < end && slots[from + kAhead] != kEmpty) ahead(slots[from + kAhead]);
      if (slots[from] == kEmpty) continue;
      fn(slots[from]);
      --most;
    }
    return from < end ? from : kEnd;
  }

 private:
  static constexpr uint32_t kInline = 2;
  static constexpr uint32_t kAhead = 8;

  uint32_t home(uint32_t slot) const noexcept { return (slot * 2654435769u) >> shift_; }
  uint32_t find(uint32_t slot) const noexcept;
  void rebuild(uint32_t capacity);

  std::unique_ptr<uint32_t[]> slots_;
  uint32_t inline_[kInline] = {kEmpty, kEmpty};
  uint32_t size_ = 0;
  uint32_t capacity_ = 0;
  uint32_t shift_ = 0;
};

}  // namespace sluice::hub
