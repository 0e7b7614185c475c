#pragma once

#include <cstdint>

#include "base/assert.hpp"
#include "base/lazy_array.hpp"

namespace sluice {

// Streams that wait for a turn, linked through their own entries (`next`): no memory, no limit. An entry is in at most one list.
template <typename T>
class StreamList {
 public:
  static constexpr uint32_t kEnd = UINT32_MAX;

  bool empty() const noexcept { return head_ == kEnd; }

  void push(LazyArray<T>& entries, uint32_t id) noexcept {
    entries[id].next = kEnd;
    if (head_ == kEnd) {
      head_ = id;
    } else {
      entries[tail_].next = id;
    }
    tail_ = id;
  }

  uint32_t pop(LazyArray<T>& entries) noexcept {
    SLUICE_ASSERT(head_ != kEnd);
    const uint32_t id = head_;
    head_ = entries[id].next;
    return id;
  }

  // Appends all of `other`, which is empty afterwards.
  void splice(LazyArray<T>& entries, StreamList& other) noexcept {
    if (other.head_ == kEnd) return;
    if (head_ == kEnd) {
      head_ = other.head_;
    } else {
      entries[tail_].next = other.head_;
    }
    tail_ = other.tail_;
    other.head_ = kEnd;
  }

 private:
  uint32_t head_ = kEnd;
  uint32_t tail_ = kEnd;
};

}  // namespace sluice
