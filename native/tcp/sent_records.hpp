#pragma once

#include <algorithm>
#include <cstdint>

#include "base/lazy_array.hpp"
#include "tcp/sent_packet.hpp"

namespace sluice::tcp {

// What is kept of a segment that ends in a shared piece (shared_bodies.hpp), or of a short one, whose payload is beside its record: where
// that lies, and what the send queue knows of it. Its headers went into a frame that is the device's alone, so nothing else has to be kept
// until it is acknowledged; sent again, it is written anew. In the send queue it stands as a packet without memory of its own. Most
// recently freed first: the few lines that are out at a time stay in the cache, and no device ever reads them.
class SentRecords {
 public:
  // Bytes of a segment that nobody else is sent, which its record has room for.
  static constexpr uint32_t kOwnMost = 128;

  explicit SentRecords(uint32_t most) : records_(most), own_(most) {}

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
  // The same for a segment with bytes of its own, which are to be written to the record's buffer.
  nic::Packet* allocate_own() noexcept {
    nic::Packet* const record = allocate();
    if (record == nullptr) return nullptr;
    const uint32_t index = index_of(record);
    own_used_ = std::max(own_used_, index + 1);
    record->buffer = own_[index].bytes;
    if (free_ != nullptr) {
      const uint8_t* const next = own_[index_of(free_)].bytes;
      __builtin_prefetch(next, 1);
      __builtin_prefetch(next + 64, 1);
    }
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
  // What was ever used of the tables.
  uint64_t bytes() const noexcept {
    return static_cast<uint64_t>(high_water_) * sizeof(nic::Packet) + static_cast<uint64_t>(own_used_) * sizeof(Own);
  }

 private:
  struct alignas(64) Own {
    uint8_t bytes[kOwnMost];
  };

  LazyArray<nic::Packet> records_;
  LazyArray<Own> own_;
  nic::Packet* free_ = nullptr;
  uint32_t high_water_ = 0;
  uint32_t own_used_ = 0;
  uint32_t used_ = 0;
};

// Gives the send queue's reference back.
inline void release_sent(nic::PacketPool& pool, SentRecords& records, nic::Packet* packet) noexcept {
  if (sent(packet).has(kShared)) pool.unref_shared(packet->next);
  if (is_record(packet)) return records.release(packet);
  pool.unref(packet);
}

}  // namespace sluice::tcp
