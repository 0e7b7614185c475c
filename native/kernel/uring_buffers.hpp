#pragma once

#include <cstdint>
#include <vector>

#include "base/block_pool.hpp"
#include "kernel/uring_abi.hpp"
#include "kernel/uring_ring.hpp"

namespace sluice {

// The ring of provided buffers that all receives of a driver take from; its buffers are blocks of the core's pool, so that a
// message can be announced where the kernel put it, and an idle connection holds none. Where the kernel can use a buffer up
// bit by bit (6.12) a buffer is a block, and small receives lie one behind the other; otherwise it is a slice of a block.
class UringBuffers {
 public:
  static constexpr uint16_t kGroup = 0;

  UringBuffers(BlockPool& pool, bool incremental);
  ~UringBuffers();
  UringBuffers(const UringBuffers&) = delete;
  UringBuffers& operator=(const UringBuffers&) = delete;

  // 0 or a negative errno.
  int open(UringRing& ring) noexcept;

  // Puts blocks into the ring until it has what it wants. False when it is empty: the pool has no block.
  bool refill() noexcept;
  // The ring ran dry although it had what it wanted: from now on it wants more.
  void grow() noexcept;

  // What a completion used, in the order of completions. The caller drops the reference on `block` after use where `owned`.
  struct Piece {
    uint8_t* data;
    uint32_t block;
    bool owned;
  };
  Piece take(uint32_t id, uint32_t length, bool stays) noexcept;

  uint64_t memory() const noexcept { return bytes_ + places_.size() * sizeof(Place); }

 private:
  // Blocks in the ring: few while they last, so that their lines are in cache when they come around again.
  static constexpr uint32_t kLeastBlocks = 4;
  static constexpr uint32_t kMostBlocks = 64;
  // Without bitwise use every receive takes a whole slice, however short.
  static constexpr uint32_t kSliceBytes = 4096;

  struct Place {
    uint8_t* data;
    uint32_t block;
    uint32_t used;
  };

  void provide(uint32_t block) noexcept;

  BlockPool& pool_;
  const bool incremental_;
  const uint32_t slice_bytes_;
  const uint32_t slices_;        // of a block
  const uint32_t most_blocks_;
  uint32_t wanted_blocks_;
  uint32_t entries_;             // of the ring, a power of two
  uint32_t provided_ = 0;        // buffers in the ring
  uint16_t tail_ = 0;
  uring::Buffer* buffers_ = nullptr;
  uint64_t bytes_ = 0;
  std::vector<Place> places_;    // by buffer id
};

}  // namespace sluice
