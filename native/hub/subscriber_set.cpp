#include "hub/subscriber_set.hpp"

#include <algorithm>
#include <bit>

#include "base/assert.hpp"

namespace sluice::hub {

namespace {

// A set becomes bits from so many members on, where these take at most so many words a member (8 bytes, as much as a table). It is a
// table again where they would take four times as many, so that nobody who comes and goes has it built again and again.
constexpr uint32_t kDenseFrom = 1024;
constexpr uint32_t kDenseWords = 2;
constexpr uint32_t kSparseWords = 8;

}  // namespace

uint32_t SubscriberSet::find(uint32_t slot) const noexcept {
  uint32_t i = home(slot);
  while (slots_[i] != kEmpty && slots_[i] != slot) i = (i + 1) & (capacity_ - 1);
  return i;
}

// Of a table for the members, not above half full.
uint32_t SubscriberSet::table_capacity() const noexcept { return std::bit_ceil(std::max(size_ * 2, 8u)); }

bool SubscriberSet::contains(uint32_t slot) const noexcept {
  if (dense()) return slot / kWordBits < capacity_ && (slots_[slot / kWordBits] >> slot % kWordBits & 1) != 0;
  if (slots_) return slots_[find(slot)] == slot;
  return std::find(inline_, inline_ + size_, slot) != inline_ + size_;
}

void SubscriberSet::rebuild_table(uint32_t capacity) {
  SubscriberSet old = std::move(*this);
  size_ = old.size_;
  slots_ = std::make_unique<uint32_t[]>(capacity);
  std::fill_n(slots_.get(), capacity, kEmpty);
  capacity_ = capacity;
  shift_ = kWordBits - static_cast<uint32_t>(std::countr_zero(capacity));
  old.for_each([this](uint32_t slot) { slots_[find(slot)] = slot; });
}

void SubscriberSet::rebuild_dense(uint32_t words) {
  SubscriberSet old = std::move(*this);
  size_ = old.size_;
  slots_ = std::make_unique<uint32_t[]>(words);
  capacity_ = words;
  shift_ = kDense;
  if (old.dense()) {
    std::copy_n(old.slots_.get(), std::min(words, old.capacity_), slots_.get());
  } else {
    old.for_each([this](uint32_t slot) { slots_[slot / kWordBits] |= 1u << slot % kWordBits; });
  }
}

// For one more, which is this one.
void SubscriberSet::make_room(uint32_t slot) {
  if (!slots_) return rebuild_table(8);
  if ((size_ + 1) * 4 <= capacity_ * 3) return;
  uint32_t highest = slot;
  if (size_ >= kDenseFrom) for_each([&](uint32_t other) { highest = std::max(highest, other); });
  if (size_ >= kDenseFrom && highest / kWordBits < size_ * kDenseWords) return rebuild_dense(highest / kWordBits + 1);
  rebuild_table(capacity_ * 2);
}

bool SubscriberSet::insert(uint32_t slot) {
  SLUICE_ASSERT(slot != kEmpty);
  if (contains(slot)) return false;
  if (!slots_ && size_ < kInline) {
    inline_[size_++] = slot;
    return true;
  }
  if (!dense()) make_room(slot);
  if (dense()) return insert_dense(slot);
  slots_[find(slot)] = slot;
  ++size_;
  return true;
}

bool SubscriberSet::insert_dense(uint32_t slot) {
  const uint32_t word = slot / kWordBits;
  if (word >= capacity_ && word >= size_ * kSparseWords) {
    rebuild_table(table_capacity());
    return insert(slot);
  }
  // By a quarter more than is needed: slots are given out in ascending order.
  if (word >= capacity_) rebuild_dense(word + word / 4 + 1);
  slots_[word] |= 1u << slot % kWordBits;
  ++size_;
  return true;
}

bool SubscriberSet::erase_dense(uint32_t slot) {
  if (!contains(slot)) return false;
  slots_[slot / kWordBits] &= ~(1u << slot % kWordBits);
  --size_;
  if (size_ < kDenseFrom / 4 || capacity_ > size_ * kSparseWords) rebuild_table(table_capacity());
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
  if (dense()) return erase_dense(slot);
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
  if (capacity_ > 8 && size_ * 8 < capacity_) rebuild_table(capacity_ / 2);
  return true;
}

}  // namespace sluice::hub
