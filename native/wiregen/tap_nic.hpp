#pragma once

#include <memory>
#include <string>

#include "nic/nic.hpp"
#include "wiregen/heap_pool.hpp"

namespace sluice::wiregen {

// A TAP device of the kernel: the other side is Linux's own TCP, without DPDK and without huge pages. Some 400,000 frames a second.
class TapNic final : public nic::Nic {
 public:
  // Makes the device `name` in the present network namespace, or attaches to it. Null: `error` says why.
  static std::unique_ptr<TapNic> open(const std::string& name, std::string& error);
  ~TapNic() override;

  const char* name() const noexcept override { return "tap"; }
  const nic::NicCapabilities& capabilities() const noexcept override { return capabilities_; }
  nic::PacketPool& pool() noexcept override { return pool_; }
  uint32_t receive(nic::Packet** frames, uint32_t max) noexcept override;
  uint32_t transmit(nic::Packet** frames, uint32_t count) noexcept override;
  bool transmitting(const nic::Packet*) const noexcept override { return false; }
  bool link_up() noexcept override { return true; }
  bool arm() noexcept override { return true; }
  int wait_fd() const noexcept override { return fd_; }
  const nic::NicCounters& counters() noexcept override { return counters_; }

 private:
  explicit TapNic(int fd);

  static constexpr uint32_t kPackets = 16384;

  int fd_;
  HeapPool pool_{kPackets};
  nic::NicCapabilities capabilities_;
  nic::NicCounters counters_;
};

}  // namespace sluice::wiregen
