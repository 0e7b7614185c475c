#pragma once

#include <cstddef>
#include <cstdint>

#include "kernel/uring_abi.hpp"

namespace sluice {

// One io_uring: the two queues that are shared with the kernel and the calls that move them on. Used by one thread.
class UringRing {
 public:
  UringRing() = default;
  ~UringRing();
  UringRing(const UringRing&) = delete;
  UringRing& operator=(const UringRing&) = delete;

  // 0 or a negative errno.
  int open(uint32_t sq_entries, uint32_t cq_entries, uint32_t setup_flags) noexcept;
  int register_with(uint32_t opcode, const void* argument, uint32_t count) noexcept;

  // A zeroed entry that goes to the kernel with the next enter(), or null when the queue is full.
  uring::Sqe* try_sqe() noexcept;
  // Entries that the kernel has not taken yet.
  uint32_t queued() const noexcept;
  // Submits what is queued; with kEnterGetEvents also runs deferred work and waits for `at_least` completions, at most for
  // `timeout` (null: without end). The number taken or a negative errno.
  int enter(uint32_t at_least, uint32_t flags, const uring::Timespec* timeout) noexcept;
  // The kernel has completions that only entering it brings forth.
  bool must_enter() const noexcept;
  // Completions wait in the kernel because the ring was full.
  bool overflown() const noexcept;

  uint32_t ready() const noexcept;
  // `ahead` < ready().
  uring::Cqe& peek(uint32_t ahead) noexcept { return cqes_[(cq_read_ + ahead) & cq_mask_]; }
  void advance(uint32_t count) noexcept;

  int fd() const noexcept { return fd_; }
  uint64_t memory() const noexcept { return rings_bytes_ + sqes_bytes_; }

 private:
  int map(const uring::Params& params) noexcept;

  int fd_ = -1;
  uint8_t* rings_ = nullptr;
  size_t rings_bytes_ = 0;
  uring::Sqe* sqes_ = nullptr;
  size_t sqes_bytes_ = 0;
  uint32_t* sq_head_ = nullptr;
  uint32_t* sq_tail_ = nullptr;
  uint32_t* sq_flags_ = nullptr;
  uint32_t* cq_head_ = nullptr;
  uint32_t* cq_tail_ = nullptr;
  uring::Cqe* cqes_ = nullptr;
  uint32_t sq_mask_ = 0;
  uint32_t sq_entries_ = 0;
  uint32_t sq_next_ = 0;  // tail, before it is shown to the kernel
  uint32_t cq_mask_ = 0;
  uint32_t cq_read_ = 0;
};

}  // namespace sluice
