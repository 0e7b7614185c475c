#pragma once

#include <cstdint>
#include <new>

#include "base/assert.hpp"
#include "base/lazy_array.hpp"

namespace sluice::tcp {

inline constexpr uint32_t kNone = UINT32_MAX;

// Records of one size, reserved at start and named by 32-bit indices; the free ones are chained through their own member
// `free_next`. Most recently freed first: few records are ever touched by few connections.
template <typename T>
class Slab {
 public:
  explicit Slab(uint32_t size) : records_(size) {}

  // kNone when all are in use.
  uint32_t allocate() noexcept {
    uint32_t index = free_;
    if (index != kNone) {
      free_ = records_[index].free_next;
    } else if (high_water_ < records_.size()) {
      index = high_water_++;
    } else {
      return kNone;
    }
    // In place: a record made elsewhere and copied would be written twice.
    new (&records_[index]) T{};
    ++used_;
    return index;
  }
  // Asks for the memory that the next allocate() writes to.
  [[gnu::always_inline]] void prefetch_next() const noexcept {
    if (free_ == kNone) return;
    const char* const record = reinterpret_cast<const char*>(&records_[free_]);
    for (size_t at = 0; at < sizeof(T); at += 64) __builtin_prefetch(record + at, 1);
  }
  void release(uint32_t index) noexcept {
    SLUICE_ASSERT(used_ > 0);
    records_[index].free_next = free_;
    free_ = index;
    --used_;
  }

  void populate_if_small() noexcept { records_.populate_if_small(); }

  T& operator[](uint32_t index) noexcept { return records_[index]; }
  const T& operator[](uint32_t index) const noexcept { return records_[index]; }
  uint32_t index_of(const T& record) const noexcept { return static_cast<uint32_t>(&record - &records_[0]); }
  uint32_t used() const noexcept { return used_; }
  uint32_t size() const noexcept { return records_.size(); }
  // No record from here on was ever used.
  uint32_t high_water() const noexcept { return high_water_; }

 private:
  LazyArray<T> records_;
  uint32_t free_ = kNone;
  uint32_t high_water_ = 0;
  uint32_t used_ = 0;
};

}  // namespace sluice::tcp
