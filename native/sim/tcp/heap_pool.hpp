#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/assert.hpp"
#include "nic/packet.hpp"

namespace sluice::tcp::sim {

// A packet pool on the heap that knows what is out, poisons what comes back and can be told to have none.
class HeapPool final : public nic::PacketPool {
 public:
  explicit HeapPool(uint32_t count, uint32_t room = 2048) : room_(room) {
    for (uint32_t i = 0; i < count; ++i) {
      slots_.push_back(std::make_unique<Slot>());
      slots_.back()->memory.resize(nic::kHeadroom + room);
      free_.push_back(slots_.back().get());
    }
  }

  nic::Packet* allocate(uint32_t bytes) noexcept override {
    if (free_.empty() || bytes > room_ || exhausted) return nullptr;
    Slot* const slot = free_.back();
    free_.pop_back();
    slot->packet = nic::Packet{};
    slot->packet.buffer = slot->memory.data();
    slot->packet.buffer_bytes = static_cast<uint16_t>(slot->memory.size());
    slot->packet.data = slot->memory.data() + nic::kHeadroom;
    slot->packet.references = 1;
    return &slot->packet;
  }
  void unref(nic::Packet* packet) noexcept override {
    SLUICE_ASSERT(packet->references > 0);
    if (--packet->references != 0) return;
    std::fill(packet->buffer, packet->buffer + packet->buffer_bytes, uint8_t{0xdd});
    free_.push_back(reinterpret_cast<Slot*>(packet));
  }
  uint32_t free_count() const noexcept override { return exhausted ? 0 : static_cast<uint32_t>(free_.size()); }
  uint32_t room() const noexcept override { return room_; }
  uint32_t total_count() const noexcept override { return static_cast<uint32_t>(slots_.size()); }
  uint32_t out() const noexcept { return static_cast<uint32_t>(slots_.size() - free_.size()); }

  bool exhausted = false;

 private:
  struct Slot {
    nic::Packet packet{};
    std::vector<uint8_t> memory;
  };
  uint32_t room_;
  std::vector<std::unique_ptr<Slot>> slots_;
  std::vector<Slot*> free_;
};

}  // namespace sluice::tcp::sim
