#pragma once

#include <cstdint>
#include <vector>

#include "base/assert.hpp"
#include "base/block_pool.hpp"

namespace sluice {

// Received bytes that must not be delivered yet: the kernel had put them into a block before it heard that reading is paused.
// A stream holds the index of its last entry (0: none); the entries of a stream form a ring, so that this leads to the first too.
class UringHeld {
 public:
  struct Entry {
    uint8_t* data;
    uint32_t length;
    uint32_t block;  // with one reference
    uint32_t next;
  };

  UringHeld() : entries_(1) {}

  void push(uint32_t& last, uint8_t* data, uint32_t length, uint32_t block) {
    uint32_t index;
    if (free_.empty()) {
      index = static_cast<uint32_t>(entries_.size());
      entries_.emplace_back();
    } else {
      index = free_.back();
      free_.pop_back();
    }
    entries_[index] = Entry{data, length, block, index};
    if (last != 0) {
      entries_[index].next = entries_[last].next;
      entries_[last].next = index;
    }
    last = index;
  }

  Entry pop(uint32_t& last) {
    SLUICE_ASSERT(last != 0);
    const uint32_t first = entries_[last].next;
    const Entry entry = entries_[first];
    if (first == last) {
      last = 0;
    } else {
      entries_[last].next = entry.next;
    }
    free_.push_back(first);
    return entry;
  }

  void drop(uint32_t& last, BlockPool& pool) {
    while (last != 0) pool.unref(pop(last).block);
  }

  uint64_t memory() const noexcept { return entries_.capacity() * sizeof(Entry) + free_.capacity() * sizeof(uint32_t); }

 private:
  std::vector<Entry> entries_;  // the first is nobody's
  std::vector<uint32_t> free_;
};

}  // namespace sluice
