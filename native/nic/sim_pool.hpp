#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "nic/packet.hpp"

namespace sluice::nic {

// Packets of a simulated host. Strict where a device is careless: a packet given back twice, or read after that, stops the process
// (under AddressSanitizer a free buffer is out of bounds), and what is not given back is counted.
class SimPool final : public PacketPool {
 public:
  // `data_bytes` behind the headroom of each packet.
  SimPool(uint32_t count, uint32_t data_bytes);
  ~SimPool() override;
  SimPool(const SimPool&) = delete;
  SimPool& operator=(const SimPool&) = delete;

  Packet* allocate(uint32_t bytes) noexcept override;
  // For what the device receives, which does not use the reserve.
  Packet* allocate_received(uint32_t bytes) noexcept;
  void unref(Packet* packet) noexcept override;
  uint32_t free_count() const noexcept override;
  uint32_t room() const noexcept override { return buffer_bytes_ - kHeadroom; }
  uint32_t total_count() const noexcept override { return count_; }

  // Memory pressure: allocate() fails while this many are out, or more; but for small packets, of which there is a reserve.
  void set_limit(uint32_t limit) noexcept { limit_ = limit; }
  // The reserve's as well.
  uint32_t outstanding() const noexcept { return in_use() + kReserve - static_cast<uint32_t>(reserve_.size()); }
  bool owns(const Packet* packet) const noexcept;

  // References that the simulated device itself holds for a transmission that is not over.
  void begin_transmit(const Packet* packet) noexcept { ++sending_[index_of(packet)]; }
  void end_transmit(const Packet* packet) noexcept { --sending_[index_of(packet)]; }
  bool transmitting(const Packet* packet) const noexcept { return sending_[index_of(packet)] != 0; }

 private:
  static constexpr uint32_t kReserve = 32;

  uint32_t in_use() const noexcept { return count_ - static_cast<uint32_t>(free_.size()); }
  Packet* take(std::vector<uint32_t>& list) noexcept;
  uint32_t index_of(const Packet* packet) const noexcept;
  uint8_t* buffer_of(uint32_t index) const noexcept { return memory_.get() + static_cast<uint64_t>(index) * buffer_bytes_; }
  void seal(uint32_t index) noexcept;

  uint32_t count_;
  uint32_t buffer_bytes_;
  uint32_t limit_;
  std::unique_ptr<uint8_t[]> memory_;
  std::vector<Packet> packets_;
  std::vector<uint16_t> sending_;
  std::vector<uint32_t> free_;
  std::vector<uint32_t> reserve_;  // the packets behind the first count_
};

}  // namespace sluice::nic
