#pragma once

#include <cstddef>
#include <cstdint>

#include "base/assert.hpp"
#include "kernel/uring_abi.hpp"

namespace sluice {

// The submission and completion queues of one io_uring, mapped. Knows nothing of sockets.
class UringRing {
 public:
  UringRing() = default;
  ~UringRing();
  UringRing(const UringRing&) = delete;
  UringRing& operator=(const UringRing&) = delete;

  // 0 or a negative errno. `flags` are IORING_SETUP_*.
  int open(uint32_t entries, uint32_t completions, uint32_t flags) noexcept;
  int fd() const noexcept { return fd_; }
  uint32_t features() const noexcept { return features_; }
  uint32_t submission_entries() const noexcept { return sq_mask_ + 1; }
  size_t mapped_bytes() const noexcept { return rings_bytes_ + sqes_bytes_; }

  // A zeroed entry; there must be room.
  io_uring_sqe& add() noexcept {
    SLUICE_ASSERT(!full());
    io_uring_sqe& entry = sqes_[sq_tail_++ & sq_mask_];
    __builtin_memset(&entry, 0, sizeof entry);
    return entry;
  }
  bool full() const noexcept { return sq_tail_ - uring::load_acquire(sq_head_) > sq_mask_; }
  uint32_t pending() const noexcept { return sq_tail_ - uring::load_acquire(sq_head_); }
  // The `index`th entry that was added and not yet taken by the kernel.
  io_uring_sqe& pending_entry(uint32_t index) noexcept { return sqes_[(uring::load_acquire(sq_head_) + index) & sq_mask_]; }

  // Submits what is pending. `flags` are IORING_ENTER_*. Returns what the system call did.
  int enter(uint32_t flags) noexcept;
  // The same and waits for a completion, at most timeout_us; negative: without limit.
  int enter_and_wait(int64_t timeout_us) noexcept;

  bool has_completion() const noexcept { return uring::load_acquire(cq_tail_) != *cq_head_; }
  uint32_t completion_head() const noexcept { return *cq_head_; }
  uint32_t completion_tail() const noexcept { return uring::load_acquire(cq_tail_); }
  // Entries between head and tail may be changed: the kernel only ever writes them at its tail.
  io_uring_cqe& completion(uint32_t index) noexcept { return cqes_[index & cq_mask_]; }
  void pop_completion() noexcept { uring::store_release(cq_head_, *cq_head_ + 1); }

  // The kernel has work that it does only when entered.
  bool has_deferred_work() const noexcept {
    return (__atomic_load_n(sq_flags_, __ATOMIC_RELAXED) & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) != 0;
  }
  bool overflowed() const noexcept { return (__atomic_load_n(sq_flags_, __ATOMIC_RELAXED) & IORING_SQ_CQ_OVERFLOW) != 0; }

 private:
  bool map(const io_uring_params& params) noexcept;

  int fd_ = -1;
  uint32_t features_ = 0;
  uint32_t sq_tail_ = 0;
  uint32_t sq_mask_ = 0;
  uint32_t cq_mask_ = 0;
  uint32_t* sq_head_ = nullptr;
  uint32_t* sq_shared_tail_ = nullptr;
  uint32_t* sq_flags_ = nullptr;
  uint32_t* cq_head_ = nullptr;
  uint32_t* cq_tail_ = nullptr;
  io_uring_cqe* cqes_ = nullptr;
  io_uring_sqe* sqes_ = nullptr;
  uint8_t* rings_ = nullptr;
  size_t rings_bytes_ = 0;
  size_t sqes_bytes_ = 0;
};

}  // namespace sluice
