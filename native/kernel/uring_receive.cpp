#include "kernel/uring_receive.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <bit>

#include "base/assert.hpp"

namespace sluice {

namespace {

// About half of a common second-level cache: enough that a burst seldom finds the ring empty.
constexpr uint32_t kRingBytes = 256 * 1024;
// A typical receive without incremental consumption: a message, or the few that came together.
constexpr uint32_t kSliceBytes = 4096;

uint32_t slice_count(const BlockPool& pool, uint32_t slice_size) {
  const uint64_t half_of_pool = static_cast<uint64_t>(pool.block_size()) * pool.count() / 2 / slice_size;
  const uint64_t wanted = std::min<uint64_t>(std::max(kRingBytes / slice_size, 4u), half_of_pool);
  return std::bit_floor(static_cast<uint32_t>(std::max<uint64_t>(wanted, 1)));
}

}  // namespace

UringReceive::UringReceive(BlockPool& pool, bool incremental)
    : pool_(pool),
      incremental_(incremental),
      slice_size_(incremental ? pool.block_size() : std::min(kSliceBytes, pool.block_size())),
      mask_(slice_count(pool, slice_size_) - 1),
      slices_(mask_ + 1),
      held_(pool.count()) {}

// The ring is closed by now: the kernel writes no more.
UringReceive::~UringReceive() {
  for (Slice& slice : slices_) give_up(slice);
  if (cut_block_ != BlockPool::kNone) pool_.unref(cut_block_);
  if (ring_ != nullptr) munmap(ring_, bytes());
}

size_t UringReceive::bytes() const noexcept { return (mask_ + 1) * sizeof(io_uring_buf); }

int UringReceive::attach(UringRing& ring) noexcept {
  void* memory = mmap(nullptr, bytes(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  if (memory == MAP_FAILED) return -ENOMEM;
  ring_ = static_cast<io_uring_buf_ring*>(memory);
  io_uring_buf_reg registration{};
  registration.ring_addr = reinterpret_cast<uint64_t>(memory);
  registration.ring_entries = mask_ + 1;
  registration.bgid = kGroup;
  // `flags` since 6.4; it was `pad`, which older kernels want to be zero.
  registration.pad = incremental_ ? uring::kBufferRingIncremental : 0;
  const int result = uring::register_with(ring.fd(), IORING_REGISTER_PBUF_RING, &registration, 1);
  if (result == 0) refill();
  return result;
}

uint8_t* UringReceive::take(const io_uring_cqe& cqe) noexcept {
  Slice& slice = slices_[id_of(cqe)];
  const uint32_t length = cqe.res > 0 ? static_cast<uint32_t>(cqe.res) : 0;
  SLUICE_ASSERT(slice.data != nullptr && slice.used + length <= slice_size_);
  uint8_t* const data = slice.data + slice.used;
  slice.used += length;
  return data;
}

void UringReceive::finish(const io_uring_cqe& cqe) noexcept {
  if (!done(cqe)) return;
  --provided_;
  Slice& slice = slices_[id_of(cqe)];
  const uint32_t block = pool_.block_of(slice.data);
  if (pool_.refs(block) == held_[block] + (block == cut_block_ ? 1u : 0u)) return provide(id_of(cqe));
  give_up(slice);
  if (cut(slice)) provide(id_of(cqe));
}

bool UringReceive::refill() noexcept {
  if (provided_ <= mask_) {
    for (uint32_t id = 0; id <= mask_; ++id) {
      if (slices_[id].data != nullptr) continue;
      if (!cut(slices_[id])) break;
      provide(static_cast<uint16_t>(id));
    }
  }
  return provided_ > 0;
}

bool UringReceive::cut(Slice& slice) noexcept {
  if (cut_block_ == BlockPool::kNone) {
    cut_block_ = pool_.acquire();
    if (cut_block_ == BlockPool::kNone) return false;
    cut_used_ = 0;
  }
  slice.data = pool_.data(cut_block_) + cut_used_;
  pool_.ref(cut_block_);
  ++held_[cut_block_];
  cut_used_ += slice_size_;
  if (cut_used_ == pool_.block_size()) {
    pool_.unref(cut_block_);
    cut_block_ = BlockPool::kNone;
  }
  return true;
}

void UringReceive::provide(uint16_t id) noexcept {
  Slice& slice = slices_[id];
  slice.used = 0;
  // Field by field: the ring's tail lies in what would be padding of the first entry.
  io_uring_buf& entry = ring_->bufs[tail_ & mask_];
  entry.addr = reinterpret_cast<uint64_t>(slice.data);
  entry.len = slice_size_;
  entry.bid = id;
  ++tail_;
  ++provided_;
  __atomic_store_n(&ring_->tail, tail_, __ATOMIC_RELEASE);
}

void UringReceive::give_up(Slice& slice) noexcept {
  if (slice.data == nullptr) return;
  const uint32_t block = pool_.block_of(slice.data);
  --held_[block];
  pool_.unref(block);
  slice.data = nullptr;
}

}  // namespace sluice
