#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <memory>

namespace sluice::hub {

// The slots subscribed to one channel on one core. Up to two need no allocation; from there on they are a hash table (open addressing
// over 32-bit slots, load at most 3/4, so 5.3 to 10.7 bytes a subscription), whose removal shifts back, so that a walk meets each
// subscriber once. A crowd that is a good part of all slots is a bit for each slot instead: that takes less, and a walk meets connections
// in the order in which they lie in memory, page by page.
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
  // insert() follows soon.
  [[gnu::always_inline]] void prefetch(uint32_t slot) const noexcept {
    if (slots_) __builtin_prefetch(&slots_[dense() ? std::min(slot / kWordBits, capacity_ - 1) : home(slot)], 1);
  }
  uint64_t memory() const noexcept { return slots_ ? static_cast<uint64_t>(capacity_) * sizeof(uint32_t) : 0; }

  // Calls fn(slot) for each. The set must not change meanwhile.
  template <typename Fn>
  void for_each(Fn&& fn) const {
    uint32_t most = UINT32_MAX;
    visit(0, most, [](const uint32_t*, uint32_t) {}, [&](const uint32_t* slots, uint32_t count) {
      for (uint32_t i = 0; i < count; ++i) fn(slots[i]);
    });
  }

  // The same in groups of up to kGroup, fn(slots, count), for at most `most`, which becomes what is left of it, from place `from` on (0 to
  // begin with); returns the place at which to go on, kEnd behind the last. ahead(slots, count) is called some while before, for other
  // groups of them.
  static constexpr uint32_t kEnd = UINT32_MAX;
  static constexpr uint32_t kGroup = 8;
  template <typename Ahead, typename Fn>
  uint32_t visit(uint32_t from, uint32_t& most, Ahead&& ahead, Fn&& fn) const {
    if (dense()) return visit_dense(from, most, ahead, fn);
    const uint32_t* const slots = slots_ ? slots_.get() : inline_;
    const uint32_t end = slots_ ? capacity_ : size_;
    Group group;
    for (; from < end && most != 0; ++from) {
      if (from + kAhead < end && slots[from + kAhead] != kEmpty) ahead(&slots[from + kAhead], 1);
      if (slots[from] == kEmpty) continue;
      group.slots[group.count++] = slots[from];
      --most;
      if (group.count != kGroup) continue;
      fn(group.slots, kGroup);
      group.count = 0;
    }
    if (group.count != 0) fn(group.slots, group.count);
    return from < end ? from : kEnd;
  }

 private:
  static constexpr uint32_t kInline = 2;
  static constexpr uint32_t kAhead = kGroup;
  static constexpr uint32_t kDense = 0;  // as shift_: no table has it
  static constexpr uint32_t kWordBits = 32;

  struct Group {
    uint32_t slots[kGroup];
    uint32_t count = 0;
  };

  bool dense() const noexcept { return slots_ && shift_ == kDense; }
  uint32_t home(uint32_t slot) const noexcept { return (slot * 2654435769u) >> shift_; }
  uint32_t find(uint32_t slot) const noexcept;
  bool insert_dense(uint32_t slot);
  bool erase_dense(uint32_t slot);
  uint32_t table_capacity() const noexcept;
  void make_room(uint32_t slot);
  void rebuild_table(uint32_t capacity);
  void rebuild_dense(uint32_t words);

  // The next slots from `from` on, which moves behind them.
  template <typename Ahead>
  Group gather(uint32_t& from, Ahead&& ahead) const {
    Group group;
    while (group.count != kGroup && from / kWordBits < capacity_) {
      const uint32_t bits = slots_[from / kWordBits] >> from % kWordBits;
      if (bits == 0) {
        from = (from / kWordBits + 1) * kWordBits;
        continue;
      }
      from += static_cast<uint32_t>(std::countr_zero(bits));
      group.slots[group.count++] = from++;
    }
    if (group.count != 0) ahead(group.slots, group.count);
    return group;
  }

  template <typename Ahead, typename Fn>
  uint32_t visit_dense(uint32_t from, uint32_t& most, Ahead&& ahead, Fn&& fn) const {
    Group group = gather(from, ahead);
    while (group.count != 0) {
      const Group next = gather(from, ahead);
      const uint32_t some = std::min(group.count, most);
      if (some != 0) fn(group.slots, some);
      most -= some;
      if (some != group.count) return group.slots[some];
      group = next;
    }
    return kEnd;
  }

  std::unique_ptr<uint32_t[]> slots_;  // of the table, or words of bits
  uint32_t inline_[kInline] = {kEmpty, kEmpty};
  uint32_t size_ = 0;
  uint32_t capacity_ = 0;
  uint32_t shift_ = kDense;
};

}  // namespace sluice::hub
