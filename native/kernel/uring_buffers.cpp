#include "kernel/uring_buffers.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cerrno>

#include "base/assert.hpp"

namespace sluice {

UringBuffers::UringBuffers(BlockPool& pool, bool incremental)
    : pool_(pool), incremental_(incremental), slice_bytes_(incremental ? pool.block_size() : std::min(kSliceBytes, pool.block_size())),
      slices_(pool.block_size() / slice_bytes_),
      // What is in the ring cannot hold messages that are being handled: most of the pool is for those.
      most_blocks_(std::clamp(pool.count() / 4, 1u, kMostBlocks)), wanted_blocks_(std::min(kLeastBlocks, most_blocks_)),
      entries_(std::bit_ceil(most_blocks_ * slices_)), places_(entries_) {}

UringBuffers::~UringBuffers() {
  if (buffers_ != nullptr) munmap(buffers_, bytes_);
}

int UringBuffers::open(UringRing& ring) noexcept {
  bytes_ = entries_ * sizeof(uring::Buffer);
  void* memory = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return -errno;
  buffers_ = static_cast<uring::Buffer*>(memory);
  uring::BufferRingRegistration registration{};
  registration.address = reinterpret_cast<uint64_t>(memory);
  registration.entries = entries_;
  registration.group = kGroup;
  registration.flags = incremental_ ? uring::kBufferRingIncremental : 0;
  return ring.register_with(uring::kRegisterBufferRing, &registration, 1);
}

bool UringBuffers::refill() noexcept {
  const uint16_t before = tail_;
  while (provided_ + slices_ <= wanted_blocks_ * slices_) {
    const uint32_t block = pool_.acquire();
    if (block == BlockPool::kNone) break;
    provide(block);
  }
  // Release: the entries come before the tail.
  if (tail_ != before) std::atomic_ref<uint16_t>(buffers_[0].tail).store(tail_, std::memory_order_release);
  return provided_ != 0;
}

void UringBuffers::provide(uint32_t block) noexcept {
  for (uint32_t slice = 0; slice < slices_; ++slice) {
    if (slice != 0) pool_.ref(block);
    // Buffers are used in the order of the ring, so the place that comes next is free.
    const auto id = static_cast<uint16_t>(tail_ & (entries_ - 1));
    uint8_t* data = pool_.data(block) + slice * slice_bytes_;
    places_[id] = Place{data, block, 0};
    uring::Buffer& buffer = buffers_[id];
    buffer.address = reinterpret_cast<uint64_t>(data);
    buffer.length = slice_bytes_;
    buffer.id = id;
    ++tail_;
    ++provided_;
  }
}

void UringBuffers::grow() noexcept { wanted_blocks_ = std::min(wanted_blocks_ * 2, most_blocks_); }

UringBuffers::Piece UringBuffers::take(uint32_t id, uint32_t length, bool stays) noexcept {
  SLUICE_ASSERT(id < entries_ && provided_ > 0);
  Place& place = places_[id];
  SLUICE_ASSERT(place.used + length <= slice_bytes_);
  const Piece piece{place.data + place.used, place.block, !stays};
  place.used += length;
  if (!stays) --provided_;
  return piece;
}

}  // namespace sluice
