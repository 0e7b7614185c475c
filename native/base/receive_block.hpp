#pragma once

#include <algorithm>
#include <cstdint>

#include "base/assert.hpp"
#include "base/block_pool.hpp"

namespace sluice {

// The block that receives go into, one behind the other: a message of 64 bytes costs 64 bytes of a block, not a block.
class ReceiveBlock {
 public:
  // Below this much space a receive would rather start the next block than split a typical message.
  static constexpr uint32_t kLeast = 2048;

  explicit ReceiveBlock(BlockPool& pool) : pool_(pool), least_(std::min(kLeast, pool.block_size())) {}
  ~ReceiveBlock() { drop(); }
  ReceiveBlock(const ReceiveBlock&) = delete;
  ReceiveBlock& operator=(const ReceiveBlock&) = delete;

  // False when no block is free.
  bool prepare() noexcept {
    if (block_ != BlockPool::kNone && pool_.block_size() - used_ >= least_) return true;
    drop();
    block_ = pool_.acquire();
    used_ = 0;
    return block_ != BlockPool::kNone;
  }

  uint8_t* data() const noexcept { return pool_.data(block_) + used_; }
  uint32_t space() const noexcept { return pool_.block_size() - used_; }

  void advance(uint32_t length) noexcept {
    SLUICE_ASSERT(length <= space());
    used_ += length;
    prefetch();
  }

  // When nobody kept a reference the block is written from its start again: the lines that are in cache are used over
  // and over instead of walking through the whole pool.
  void rewind_if_unshared() noexcept {
    if (block_ != BlockPool::kNone && pool_.refs(block_) == 1) used_ = 0;
  }

 private:
  // What comes next is written here, and read as soon as it is.
  [[gnu::always_inline]] void prefetch() const noexcept {
    constexpr uint32_t kLine = 64;
    constexpr uint32_t kAhead = 5 * kLine;  // a request to upgrade
    const uint8_t* const at = data();
    for (uint32_t i = 0; i < kAhead; i += kLine) __builtin_prefetch(at + i, 1);
  }
  void drop() noexcept {
    if (block_ != BlockPool::kNone) pool_.unref(block_);
    block_ = BlockPool::kNone;
  }

  BlockPool& pool_;
  uint32_t least_;
  uint32_t block_ = BlockPool::kNone;
  uint32_t used_ = 0;
};

}  // namespace sluice
