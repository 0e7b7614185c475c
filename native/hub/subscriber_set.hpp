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
    if (!slots_) {
      for (uint32_t i = 0; i < size_; ++i) fn(inline_[i]);
      return;
    }
    for (uint32_t i = 0; i < capacity_; ++i) {
      if (slots_[i] != kEmpty) fn(slots_[i]);
    }
  }

 private:
  static constexpr uint32_t kInline = 2;

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
