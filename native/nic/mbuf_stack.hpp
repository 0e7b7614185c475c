#pragma once

#include <rte_mbuf.h>
#include <rte_mempool.h>

#include <cstdint>
#include <cstring>

namespace sluice::nic {

// What the one owner of a mempool gives back lies here for what it takes next: the mempool's own cache has to be found by the thread's
// number, which costs a call for each packet.
class MbufStack {
 public:
  void attach(rte_mempool* pool) noexcept { pool_ = pool; }

  // Null where none is free.
  [[gnu::always_inline]] rte_mbuf* get() noexcept {
    if (__builtin_expect(count_ == 0, 0) && !fill()) return rte_mbuf_raw_alloc(pool_);
    return mbufs_[--count_];
  }
  void put(rte_mbuf* mbuf) noexcept {
    if (__builtin_expect(count_ == kMost, 0)) spill();
    mbufs_[count_++] = mbuf;
  }
  // What get() will return after `ahead` others; null where that is not known.
  rte_mbuf* peek(uint32_t ahead) const noexcept { return count_ > ahead ? mbufs_[count_ - 1 - ahead] : nullptr; }
  uint32_t count() const noexcept { return count_; }

 private:
  static constexpr uint32_t kMost = 256;
  static constexpr uint32_t kBatch = 64;

  // False where there are fewer than that.
  [[gnu::noinline]] bool fill() noexcept {
    if (rte_mempool_get_bulk(pool_, reinterpret_cast<void**>(mbufs_), kBatch) != 0) return false;
    count_ = kBatch;
    return true;
  }
  // The half that was not used for longest: the device may want them.
  [[gnu::noinline]] void spill() noexcept {
    constexpr uint32_t kHalf = kMost / 2;
    rte_mempool_put_bulk(pool_, reinterpret_cast<void**>(mbufs_), kHalf);
    std::memmove(mbufs_, mbufs_ + kHalf, kHalf * sizeof mbufs_[0]);
    count_ -= kHalf;
  }

  rte_mempool* pool_ = nullptr;
  uint32_t count_ = 0;
  rte_mbuf* mbufs_[kMost];
};

}  // namespace sluice::nic
