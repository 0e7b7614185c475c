#pragma once

#include <cstdint>

#include "base/lazy_array.hpp"
#include "tcp/sent_packet.hpp"

namespace sluice::tcp {

// What is kept of a segment that ends in a shared piece (shared_bodies.hpp): where its payload lies and what the send queue knows of it.
// Its headers went into a frame that is the device's alone, so nothing else has to be kept until it is acknowledged; should it have to be
// sent again, headers and payload are written anew. In the send queue it stands as a packet without memory of its own. Most recently freed
// first: the few lines that a fan-out has out at a time stay in the cache, and no device ever reads them.
class SentRecords {
 public:
  explicit SentRecords(uint32_t most) : records_(most) {}

  // Null when all are in use.
  nic::Packet* allocate() noexcept {
    nic::Packet* record = free_;
    if (record != nullptr) {
      free_ = record->link;
      __builtin_prefetch(free_, 1);
    } else if (high_water_ < records_.size()) {
      record = &records_[high_water_++];
    } else {
      return nullptr;
    }
    ++used_;
    *record = nic::Packet{};
    record->references = 1;
    record->pool = kRecordPool;
    return record;
  }
  void release(nic::Packet* record) noexcept {
    SLUICE_ASSERT(used_ > 0 && is_record(record));
    --used_;
    record->references = 0;
    record->link = free_;
    free_ = record;
  }
  static bool in_use(const nic::Packet* record) noexcept { return record->references != 0; }

  nic::Packet* at(uint32_t index) noexcept { return &records_[index]; }
  const nic::Packet* at(uint32_t index) const noexcept { return &records_[index]; }
  uint32_t index_of(const nic::Packet* record) const noexcept { return static_cast<uint32_t>(record - &records_[0]); }

  uint32_t used() const noexcept { return used_; }
  bool all_used() const noexcept { return used_ == records_.size(); }
  // What was ever used of the table.
  uint64_t bytes() const noexcept { return static_cast<uint64_t>(high_water_) * sizeof(nic::Packet); }

 private:
  LazyArray<nic::Packet> records_;
  nic::Packet* free_ = nullptr;
  uint32_t high_water_ = 0;
  uint32_t used_ = 0;
};

// Gives the send queue's reference back.
inline void release_sent(nic::PacketPool& pool, SentRecords& records, nic::Packet* packet) noexcept {
  if (sent(packet).has(kShared)) pool.unref_shared(packet->next);
  if (is_record(packet)) return records.release(packet);
  pool.unref(packet);
}

}  // namespace sluice::tcp
