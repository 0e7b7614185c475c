#pragma once

#include <cstdint>
#include <vector>

#include "base/block_pool.hpp"
#include "kernel/uring_ring.hpp"

namespace sluice {

// The buffers that the kernel picks from when a multishot receive has bytes: slices of pool blocks in a provided buffer ring.
//
// Where the kernel consumes buffers incrementally (6.12) a slice is a whole block and receives lie densely in it.
// Elsewhere each receive takes a slice of its own, so slices are small. Either way the ring holds no more than a core's cache
// does: a slice that nobody kept goes back to the kernel at once and is written again while it is still hot.
class UringReceive {
 public:
  static constexpr uint16_t kGroup = 0;

  UringReceive(BlockPool& pool, bool incremental);
  ~UringReceive();
  UringReceive(const UringReceive&) = delete;
  UringReceive& operator=(const UringReceive&) = delete;

  // 0 or a negative errno.
  int attach(UringRing& ring) noexcept;

  // Where the completion's bytes are; valid until finish().
  uint8_t* take(const io_uring_cqe& cqe) noexcept;
  // Once the bytes were looked at: gives the slice back if the kernel is done with it.
  void finish(const io_uring_cqe& cqe) noexcept;

  // Replaces slices that could not be replaced before. False when none is with the kernel.
  bool refill() noexcept;

  uint32_t block_of(const uint8_t* data) const noexcept { return pool_.block_of(data); }
  size_t bytes() const noexcept;

 private:
  struct Slice {
    uint8_t* data = nullptr;  // null: vacant
    uint32_t used = 0;
  };

  static uint16_t id_of(const io_uring_cqe& cqe) noexcept { return static_cast<uint16_t>(cqe.flags >> IORING_CQE_BUFFER_SHIFT); }
  bool done(const io_uring_cqe& cqe) const noexcept { return !incremental_ || !(cqe.flags & uring::kCqeBufferMore); }
  bool cut(Slice& slice) noexcept;
  void provide(uint16_t id) noexcept;
  void give_up(Slice& slice) noexcept;

  BlockPool& pool_;
  const bool incremental_;
  uint32_t slice_size_;
  uint32_t mask_;
  uint32_t provided_ = 0;   // slices with the kernel
  uint16_t tail_ = 0;
  uint32_t cut_block_ = BlockPool::kNone;  // slices are cut from it, in order
  uint32_t cut_used_ = 0;
  io_uring_buf_ring* ring_ = nullptr;
  std::vector<Slice> slices_;
  std::vector<uint16_t> held_;  // by block: references that are this object's
};

}  // namespace sluice
