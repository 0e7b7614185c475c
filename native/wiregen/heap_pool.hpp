#pragma once

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <vector>

#include "base/assert.hpp"
#include "nic/packet.hpp"

namespace sluice::wiregen {

// Packets in ordinary memory, for devices that the kernel copies to and from.
class HeapPool final : public nic::PacketPool {
 public:
  static constexpr uint32_t kBytes = 2048;

  explicit HeapPool(uint32_t count) : packets_(count), memory_(std::make_unique<uint8_t[]>(size_t{count} * kBytes)) {
    free_.reserve(count);
    for (uint32_t i = 0; i < count; ++i) {
      packets_[i].buffer = memory_.get() + size_t{i} * kBytes;
      packets_[i].buffer_bytes = kBytes;
      free_.push_back(&packets_[i]);
    }
  }

  nic::Packet* allocate(uint32_t bytes) noexcept override {
    if (free_.empty() || bytes + nic::kHeadroom > kBytes) return nullptr;
    nic::Packet* packet = free_.back();
    free_.pop_back();
    packet->next = packet->link = nullptr;
    packet->data = packet->buffer + nic::kHeadroom;
    packet->length = 0;
    packet->references = 1;
    packet->flags = 0;
    packet->vlan = 0;
    return packet;
  }
  void unref(nic::Packet* packet) noexcept override {
    SLUICE_ASSERT(packet->references > 0);
    if (--packet->references == 0) free_.push_back(packet);
  }
  uint32_t free_count() const noexcept override { return static_cast<uint32_t>(free_.size()); }
  uint32_t room() const noexcept override { return kBytes - nic::kHeadroom; }
  uint32_t total_count() const noexcept override { return static_cast<uint32_t>(packets_.size()); }

 private:
  std::vector<nic::Packet> packets_;
  std::unique_ptr<uint8_t[]> memory_;
  std::vector<nic::Packet*> free_;
};

}  // namespace sluice::wiregen
