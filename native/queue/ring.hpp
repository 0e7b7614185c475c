#pragma once

#include <atomic>
#include <cstdint>

#include "base/assert.hpp"
#include "queue/records.hpp"

// Single-producer single-consumer rings of records over shared memory. Indices only grow (modulo 2^32); each side keeps a cached
// copy of the other's, so that it touches the other's cache line once a batch (Disruptor; Aeron's claim and commit).

namespace sluice::queue {

struct RingHeader {
  alignas(64) std::atomic<uint32_t> head;  // records published; written by the producer
  alignas(64) std::atomic<uint32_t> tail;  // records that the consumer is done with: their place and their bytes may be reused
  std::atomic<uint32_t> data_tail;         // command ring only: bytes of the data ring that are free again
  alignas(64) std::atomic<uint32_t> consumer_sleeping;  // 1: the consumer wants the doorbell rung
  std::atomic<uint32_t> producer_blocked;               // 1: the producer wants it when records become free
};
static_assert(sizeof(RingHeader) == 192);
static_assert(std::atomic<uint32_t>::is_always_lock_free);

class RingProducer {
 public:
  // `capacity` is a power of two.
  RingProducer(RingHeader* header, Record* records, uint32_t capacity) noexcept
      : header_(header), records_(records), capacity_(capacity),
        // Relaxed: only this side writes it, and a successor attaches after the former producer is gone.
        head_(header->head.load(std::memory_order_relaxed)),
        tail_(header->tail.load(std::memory_order_acquire)) {}

  // Records that can be claimed now; looks at the consumer's index only when `wanted` does not fit what is known.
  uint32_t free(uint32_t wanted) noexcept {
    uint32_t used = head_ - tail_;
    if (capacity_ - used < wanted) {
      // Acquire: the consumer's reads of the records come before we overwrite them.
      const uint32_t tail = header_->tail.load(std::memory_order_acquire);
      if (head_ - tail > capacity_) {
        corrupted_ = true;
        return 0;
      }
      tail_ = tail;
      used = head_ - tail;
    }
    return capacity_ - used;
  }

  // Null when the ring is full. The record becomes visible with the next publish().
  Record* try_claim() noexcept {
    if (free(1) == 0) return nullptr;
    return &records_[head_++ & (capacity_ - 1)];
  }

  // Makes all claimed records visible. Returns true when the consumer sleeps and its doorbell must be rung.
  bool publish() noexcept {
    // Release: the records come before the index.
    header_->head.store(head_, std::memory_order_release);
    // Sequentially consistent with the consumer's store-then-recheck, so that one of the two sees the other (Dekker).
    std::atomic_thread_fence(std::memory_order_seq_cst);
    return header_->consumer_sleeping.load(std::memory_order_relaxed) != 0;
  }

  // For a ring whose producer itself is told, by other means, what was consumed: the shared index is then only shown, never read.
  uint32_t free_known() const noexcept { return capacity_ - (head_ - tail_); }
  Record& claim_known() noexcept {
    SLUICE_ASSERT(free_known() != 0);
    return records_[head_++ & (capacity_ - 1)];
  }
  void give_back(uint32_t tail) noexcept {
    tail_ = tail;
    header_->tail.store(tail, std::memory_order_release);
  }

  uint32_t position() const noexcept { return head_; }
  uint32_t capacity() const noexcept { return capacity_; }
  uint32_t unconfirmed() noexcept { return head_ - header_->tail.load(std::memory_order_acquire); }
  const Record& at(uint32_t position) const noexcept { return records_[position & (capacity_ - 1)]; }
  // The consumer's index is one that it cannot have: the region was written to by somebody else.
  bool corrupted() const noexcept { return corrupted_; }
  RingHeader* header() const noexcept { return header_; }

 private:
  RingHeader* header_;
  Record* records_;
  uint32_t capacity_;
  uint32_t head_;
  uint32_t tail_;
  bool corrupted_ = false;
};

class RingConsumer {
 public:
  RingConsumer(RingHeader* header, const Record* records, uint32_t capacity) noexcept
      : header_(header), records_(records), capacity_(capacity), read_(header->tail.load(std::memory_order_relaxed)) {}

  // Records that are ready to be read, at most the capacity.
  uint32_t available() noexcept {
    // Acquire: pairs with publish().
    const uint32_t ready = header_->head.load(std::memory_order_acquire) - read_;
    if (ready > capacity_) {
      corrupted_ = true;
      return 0;
    }
    return ready;
  }

  const Record& peek(uint32_t ahead) const noexcept { return records_[(read_ + ahead) & (capacity_ - 1)]; }
  void advance(uint32_t count) noexcept { read_ += count; }

  // Gives everything that was read back to the producer; true when the producer waits for it.
  bool confirm() noexcept {
    header_->tail.store(read_, std::memory_order_release);
    std::atomic_thread_fence(std::memory_order_seq_cst);
    return header_->producer_blocked.load(std::memory_order_relaxed) != 0;
  }

  // Before waiting: announce, then look again. False when something came in between: do not wait.
  bool prepare_sleep() noexcept {
    header_->consumer_sleeping.store(1, std::memory_order_relaxed);
    std::atomic_thread_fence(std::memory_order_seq_cst);
    if (available() == 0) return true;
    wake();
    return false;
  }
  void wake() noexcept { header_->consumer_sleeping.store(0, std::memory_order_relaxed); }

  // Forgets what was not read and what was seen of a producer that is gone: the next one begins at position().
  void reset() noexcept {
    corrupted_ = false;
    header_->tail.store(read_, std::memory_order_relaxed);
    header_->producer_blocked.store(0, std::memory_order_relaxed);
    header_->head.store(read_, std::memory_order_release);
  }

  uint32_t position() const noexcept { return read_; }
  bool corrupted() const noexcept { return corrupted_; }
  RingHeader* header() const noexcept { return header_; }

 private:
  RingHeader* header_;
  const Record* records_;
  uint32_t capacity_;
  uint32_t read_;
  bool corrupted_ = false;
};

}  // namespace sluice::queue
