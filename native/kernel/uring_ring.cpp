#include "kernel/uring_ring.hpp"

#include <linux/time_types.h>
#include <sys/mman.h>

#include <algorithm>
#include <csignal>

namespace sluice {

UringRing::~UringRing() {
  if (sqes_ != nullptr) munmap(sqes_, sqes_bytes_);
  if (rings_ != nullptr) munmap(rings_, rings_bytes_);
  if (fd_ >= 0) ::close(fd_);
}

int UringRing::open(uint32_t entries, uint32_t completions, uint32_t flags) noexcept {
  SLUICE_ASSERT(fd_ < 0);
  io_uring_params params{};
  params.flags = flags | IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP;
  params.cq_entries = completions;
  const int fd = uring::setup(entries, &params);
  if (fd < 0) return fd;
  fd_ = fd;
  features_ = params.features;
  // One mapping for both rings (5.4), and a completion that finds no room is kept, not dropped (5.5).
  if ((features_ & (IORING_FEAT_SINGLE_MMAP | IORING_FEAT_NODROP)) != (IORING_FEAT_SINGLE_MMAP | IORING_FEAT_NODROP)) return -ENOSYS;
  return map(params) ? 0 : -ENOMEM;
}

bool UringRing::map(const io_uring_params& params) noexcept {
  rings_bytes_ = std::max<size_t>(params.sq_off.array + params.sq_entries * sizeof(uint32_t),
                                  params.cq_off.cqes + params.cq_entries * sizeof(io_uring_cqe));
  sqes_bytes_ = params.sq_entries * sizeof(io_uring_sqe);
  constexpr int kFlags = MAP_SHARED | MAP_POPULATE;
  void* rings = mmap(nullptr, rings_bytes_, PROT_READ | PROT_WRITE, kFlags, fd_, IORING_OFF_SQ_RING);
  if (rings == MAP_FAILED) return false;
  rings_ = static_cast<uint8_t*>(rings);
  void* sqes = mmap(nullptr, sqes_bytes_, PROT_READ | PROT_WRITE, kFlags, fd_, IORING_OFF_SQES);
  if (sqes == MAP_FAILED) return false;
  sqes_ = static_cast<io_uring_sqe*>(sqes);

  const auto at = [this](uint32_t offset) { return reinterpret_cast<uint32_t*>(rings_ + offset); };
  sq_head_ = at(params.sq_off.head);
  sq_shared_tail_ = at(params.sq_off.tail);
  sq_flags_ = at(params.sq_off.flags);
  sq_mask_ = *at(params.sq_off.ring_mask);
  cq_head_ = at(params.cq_off.head);
  cq_tail_ = at(params.cq_off.tail);
  cq_mask_ = *at(params.cq_off.ring_mask);
  cqes_ = reinterpret_cast<io_uring_cqe*>(rings_ + params.cq_off.cqes);
  // Entries are used in order, so the indirection is written once.
  uint32_t* array = at(params.sq_off.array);
  for (uint32_t i = 0; i <= sq_mask_; ++i) array[i] = i;
  return true;
}

int UringRing::enter(uint32_t flags) noexcept {
  uring::store_release(sq_shared_tail_, sq_tail_);
  return uring::enter(fd_, pending(), 0, flags, nullptr, 0);
}

int UringRing::enter_and_wait(int64_t timeout_us) noexcept {
  uring::store_release(sq_shared_tail_, sq_tail_);
  __kernel_timespec limit{};
  io_uring_getevents_arg argument{};
  argument.sigmask_sz = _NSIG / 8;
  if (timeout_us >= 0) {
    limit.tv_sec = timeout_us / 1'000'000;
    limit.tv_nsec = (timeout_us % 1'000'000) * 1000;
    argument.ts = reinterpret_cast<uint64_t>(&limit);
  }
  return uring::enter(fd_, pending(), 1, IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG, &argument, sizeof argument);
}

}  // namespace sluice
