#pragma once

#include <cstdint>
#include <vector>

#include "base/assert.hpp"
#include "nic/packet.hpp"

namespace sluice::net {

// Packets that wait for their neighbours' addresses: a list for each neighbour, the oldest first, in slots that all have in common.
class WaitingPackets {
 public:
  static constexpr uint32_t kNone = UINT32_MAX;

  struct List {
    uint32_t first = kNone;
    uint32_t last = kNone;
    uint32_t count = 0;
  };

  explicit WaitingPackets(uint32_t slots) : slots_(slots) {
    for (uint32_t i = 0; i < slots; ++i) slots_[i].next = i + 1 < slots ? i + 1 : kNone;
    free_ = slots == 0 ? kNone : 0;
  }

  bool full() const noexcept { return free_ == kNone; }
  uint64_t bytes() const noexcept { return slots_.size() * sizeof(Slot); }

  void push(List& list, nic::Packet* packet) noexcept {
    SLUICE_ASSERT(!full());
    const uint32_t at = free_;
    free_ = slots_[at].next;
    slots_[at] = {packet, kNone};
    if (list.count++ == 0) {
      list.first = at;
    } else {
      slots_[list.last].next = at;
    }
    list.last = at;
  }

  // The oldest.
  nic::Packet* pop(List& list) noexcept {
    SLUICE_ASSERT(list.count != 0);
    const uint32_t at = list.first;
    nic::Packet* const packet = slots_[at].packet;
    list.first = slots_[at].next;
    slots_[at] = {nullptr, free_};
    free_ = at;
    --list.count;
    return packet;
  }

 private:
  struct Slot {
    nic::Packet* packet = nullptr;
    uint32_t next = kNone;  // in its list, or of those that are free
  };

  std::vector<Slot> slots_;
  uint32_t free_ = kNone;
};

}  // namespace sluice::net
