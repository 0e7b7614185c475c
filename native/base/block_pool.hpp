#pragma once

#include <cstdint>
#include <vector>

#include "base/assert.hpp"

namespace sluice {

// Fixed-size receive blocks over memory that somebody else owns (a window of the shared region, or a test's vector).
// One core owns a pool; nothing here is atomic. A block returns to the pool with its last reference, so received bytes
// can be looked at in place by whoever holds one (DESIGN: zero copy).
class BlockPool {
 public:
  static constexpr uint32_t kNone = UINT32_MAX;

  // `memory` holds block_size * count bytes; block_size is a power of two.
  BlockPool(uint8_t* memory, uint32_t block_size, uint32_t count);

  BlockPool(const BlockPool&) = delete;
  BlockPool& operator=(const BlockPool&) = delete;

  // A block with one reference, or kNone when all are held: the caller stops receiving until one is free.
  uint32_t acquire() noexcept;

  void ref(uint32_t block) noexcept {
    SLUICE_ASSERT(refs_[block] > 0);
    ++refs_[block];
  }

  void unref(uint32_t block) noexcept {
    SLUICE_ASSERT(refs_[block] > 0);
    if (--refs_[block] == 0) free_.push_back(block);
  }

  uint8_t* data(uint32_t block) const noexcept { return memory_ + static_cast<uint64_t>(block) * block_size_; }
  bool contains(const uint8_t* p) const noexcept { return p >= memory_ && p < memory_ + static_cast<uint64_t>(block_size_) * count_; }
  uint32_t block_of(const uint8_t* p) const noexcept { return static_cast<uint32_t>(static_cast<uint64_t>(p - memory_) >> block_shift_); }
  uint32_t block_size() const noexcept { return block_size_; }
  uint32_t count() const noexcept { return count_; }
  uint32_t free_count() const noexcept { return static_cast<uint32_t>(free_.size()); }
  uint32_t refs(uint32_t block) const noexcept { return refs_[block]; }

 private:
  uint8_t* memory_;
  uint32_t block_size_;
  uint32_t block_shift_;
  uint32_t count_;
  std::vector<uint32_t> refs_;
  // Last in, first out: the block that was touched last is the one whose lines are still in cache.
  std::vector<uint32_t> free_;
};

}  // namespace sluice
