#include "kernel/uring_ring.hpp"

#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>

#include "base/assert.hpp"

namespace sluice {

using namespace uring;

namespace {

// By number, and the same on every architecture: the C library has no wrappers.
constexpr long kSetup = 425;
constexpr long kEnter = 426;
constexpr long kRegister = 427;

uint32_t load_acquire(uint32_t* index) noexcept { return std::atomic_ref<uint32_t>(*index).load(std::memory_order_acquire); }
void store_release(uint32_t* index, uint32_t value) noexcept {
  std::atomic_ref<uint32_t>(*index).store(value, std::memory_order_release);
}

}  // namespace

UringRing::~UringRing() {
  if (rings_ != nullptr) munmap(rings_, rings_bytes_);
  if (sqes_ != nullptr) munmap(sqes_, sqes_bytes_);
  if (fd_ >= 0) ::close(fd_);
}

int UringRing::open(uint32_t sq_entries, uint32_t cq_entries, uint32_t setup_flags) noexcept {
  SLUICE_ASSERT(fd_ < 0);
  Params params{};
  params.flags = setup_flags | kSetupCqSize | kSetupSubmitAll;
  params.cq_entries = cq_entries;
  const long fd = syscall(kSetup, sq_entries, &params);
  if (fd < 0) return -errno;
  fd_ = static_cast<int>(fd);
  constexpr uint32_t kNeeded = kFeatureSingleMmap | kFeatureNoDrop | kFeatureExtArg;
  if ((params.features & kNeeded) != kNeeded) return -ENOTSUP;
  return map(params);
}

int UringRing::map(const Params& params) noexcept {
  const size_t sq_bytes = params.sq.array + params.sq_entries * sizeof(uint32_t);
  const size_t cq_bytes = params.cq.cqes + params.cq_entries * sizeof(Cqe);
  rings_bytes_ = std::max(sq_bytes, cq_bytes);
  sqes_bytes_ = params.sq_entries * sizeof(Sqe);
  void* rings = mmap(nullptr, rings_bytes_, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd_, kMapSqRing);
  if (rings == MAP_FAILED) return -errno;
  rings_ = static_cast<uint8_t*>(rings);
  void* sqes = mmap(nullptr, sqes_bytes_, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd_, kMapSqes);
  if (sqes == MAP_FAILED) return -errno;
  sqes_ = static_cast<Sqe*>(sqes);
  const auto at = [this](uint32_t offset) { return reinterpret_cast<uint32_t*>(rings_ + offset); };
  sq_head_ = at(params.sq.head);
  sq_tail_ = at(params.sq.tail);
  sq_flags_ = at(params.sq.flags);
  cq_head_ = at(params.cq.head);
  cq_tail_ = at(params.cq.tail);
  cqes_ = reinterpret_cast<Cqe*>(rings_ + params.cq.cqes);
  sq_mask_ = params.sq_entries - 1;
  cq_mask_ = params.cq_entries - 1;
  sq_entries_ = params.sq_entries;
  // Entries are used in order, so the indirection is written once.
  for (uint32_t i = 0; i < sq_entries_; ++i) at(params.sq.array)[i] = i;
  return 0;
}

int UringRing::register_with(uint32_t opcode, const void* argument, uint32_t count) noexcept {
  return syscall(kRegister, fd_, opcode, argument, count) < 0 ? -errno : 0;
}

uint32_t UringRing::queued() const noexcept { return sq_next_ - load_acquire(sq_head_); }

Sqe* UringRing::try_sqe() noexcept {
  if (queued() == sq_entries_) return nullptr;
  Sqe* sqe = &sqes_[sq_next_++ & sq_mask_];
  *sqe = Sqe{};
  return sqe;
}

int UringRing::enter(uint32_t at_least, uint32_t flags, const Timespec* timeout) noexcept {
  const uint32_t submit = queued();
  store_release(sq_tail_, sq_next_);
  WaitArgument argument{};
  const bool timed = timeout != nullptr;
  if (timed) argument.timeout = reinterpret_cast<uint64_t>(timeout);
  const void* extra = timed ? &argument : nullptr;
  const long took = syscall(kEnter, fd_, submit, at_least, flags | (timed ? kEnterExtArg : 0), extra, timed ? sizeof argument : 0);
  return took < 0 ? -errno : static_cast<int>(took);
}

bool UringRing::must_enter() const noexcept { return (load_acquire(sq_flags_) & (kSqTaskrun | kSqOverflow)) != 0; }

bool UringRing::overflown() const noexcept { return (load_acquire(sq_flags_) & kSqOverflow) != 0; }

uint32_t UringRing::ready() const noexcept { return load_acquire(cq_tail_) - cq_read_; }

void UringRing::advance(uint32_t count) noexcept {
  cq_read_ += count;
  store_release(cq_head_, cq_read_);
}

}  // namespace sluice
