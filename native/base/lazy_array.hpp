#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "base/assert.hpp"

namespace sluice {

// Zeroed entries whose pages cost no memory until they are touched: a table for ten million connections is reserved at
// start and paid for by the connections that exist.
template <typename T>
class LazyArray {
  static_assert(std::is_trivially_copyable_v<T> && std::is_trivially_destructible_v<T>);

 public:
  explicit LazyArray(uint32_t size) : size_(size) {
    SLUICE_ASSERT(size > 0);
    void* memory = mmap(nullptr, bytes(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    SLUICE_ASSERT(memory != MAP_FAILED);
    // Random access to tables of this size misses the TLB as often as the cache. Where there are no huge pages nothing is lost.
    if (bytes() >= kHugeFrom) madvise(memory, bytes(), MADV_HUGEPAGE);
    entries_ = static_cast<T*>(memory);
  }
  ~LazyArray() { munmap(entries_, bytes()); }
  LazyArray(const LazyArray&) = delete;
  LazyArray& operator=(const LazyArray&) = delete;

  // Takes the memory of a small table at once: who floods it would otherwise have page after page faulted in at the worst moment. All of it
  // paid for, huge pages cost nothing, and a lookup at random does not miss the TLB.
  void populate_if_small() noexcept {
#ifdef MADV_POPULATE_WRITE
    if (bytes() > kSmall) return;
    static_cast<void>(madvise(entries_, bytes(), MADV_HUGEPAGE));
    static_cast<void>(madvise(entries_, bytes(), MADV_POPULATE_WRITE));
#endif
  }

  T& operator[](uint32_t index) noexcept {
    SLUICE_ASSERT(index < size_);
    return entries_[index];
  }
  const T& operator[](uint32_t index) const noexcept {
    SLUICE_ASSERT(index < size_);
    return entries_[index];
  }
  uint32_t size() const noexcept { return size_; }
  size_t bytes() const noexcept { return static_cast<size_t>(size_) * sizeof(T); }

 private:
  static constexpr size_t kHugeFrom = 32u << 20;
  static constexpr size_t kSmall = 8u << 20;

  T* entries_;
  uint32_t size_;
};

}  // namespace sluice
