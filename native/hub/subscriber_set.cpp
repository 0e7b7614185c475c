#include "hub/subscriber_set.hpp"

#include <algorithm>
#include <bit>

#include "base/assert.hpp"

namespace sluice::hub {

uint32_t SubscriberSet::find(uint32_t slot) const noexcept {
  uint32_t i = home(slot);
  while (slots_[i] != kEmpty && slots_[i] != slot) i = (i + 1) & (capacity_ - 1);
  return i;
}

bool SubscriberSet::contains(uint32_t slot) const noexcept {
  if (slots_) return slots_[find(slot)] == slot;
  return std::find(inline_, inline_ + size_, slot) != inline_ + size_;
}

void SubscriberSet::rebuild(uint32_t capacity) {
  auto old = std::move(slots_);
  const uint32_t old_capacity = capacity_;
  slots_ = std::make_unique<uint32_t[]>(capacity);
  std::fill_n(slots_.get(), capacity, kEmpty);
  capacity_ = capacity;
  shift_ = 32 - static_cast<uint32_t>(std::countr_zero(capacity));
  const uint32_t* from = old ? old.get() : inline_;
  const uint32_t count = old ? old_capacity : size_;
  for (uint32_t i = 0; i < count; ++i) {
    if (from[i] != kEmpty) slots_[find(from[i])] = from[i];
  }
}

bool SubscriberSet::insert(uint32_t slot) {
  SLUICE_ASSERT(slot != kEmpty);
  if (contains(slot)) return false;
  if (!slots_ && size_ < kInline) {
    inline_[size_++] = slot;
    return true;
  }
  if (!slots_) {
    rebuild(8);
  } else if ((size_ + 1) * 4 > capacity_ * 3) {
    rebuild(capacity_ * 2);
  }
  slots_[find(slot)] = slot;
  ++size_;
  return true;
}

bool SubscriberSet::erase(uint32_t slot) {
  if (!slots_) {
    uint32_t* end = inline_ + size_;
    uint32_t* at = std::find(inline_, end, slot);
    if (at == end) return false;
    *at = *(end - 1);
    *(end - 1) = kEmpty;
    --size_;
    return true;
  }
  uint32_t hole = find(slot);
  if (slots_[hole] != slot) return false;
  // Knuth, vol. 3, §6.4, algorithm R: move back whatever the hole would make unreachable.
  const uint32_t mask = capacity_ - 1;
  for (uint32_t i = (hole + 1) & mask; slots_[i] != kEmpty; i = (i + 1) & mask) {
    if (((i - home(slots_[i])) & mask) >= ((i - hole) & mask)) {
      slots_[hole] = slots_[i];
      hole = i;
    }
  }
  slots_[hole] = kEmpty;
  --size_;
  if (capacity_ > 8 && size_ * 8 < capacity_) rebuild(capacity_ / 2);
  return true;
}

}  // namespace sluice::hub
