#pragma once

#include "nic/dpdk_port.hpp"
#include "nic/dpdk_wakeup.hpp"
#include "nic/nic.hpp"

namespace sluice::nic {

// One queue pair of a DPDK port, or one queue that only sends.
class DpdkQueue final : public Nic {
 public:
  DpdkQueue(DpdkPort& port, uint16_t queue);

  static constexpr uint32_t kBurst = 64;

  // Sends frames that prepare_frame() made, of whichever core; what is taken of them is the device's.
  uint32_t send(rte_mbuf** frames, uint32_t count) noexcept;
  // A thread that EAL does not know has no cache in the mempools, and every packet would go through their shared ring.
  static void enter_thread() noexcept;

  const char* name() const noexcept override { return "dpdk"; }
  const NicCapabilities& capabilities() const noexcept override { return capabilities_; }
  PacketPool& pool() noexcept override { return pool_; }
  uint32_t receive(Packet** frames, uint32_t max) noexcept override;
  uint32_t transmit(Packet** frames, uint32_t count) noexcept override;
  bool transmitting(const Packet* packet) const noexcept override { return rte_mbuf_refcnt_read(mbuf_of(packet)) > 1; }
  bool link_up() noexcept override;
  bool arm() noexcept override;
  int wait_fd() const noexcept override { return wakeup_.fd(); }
  const NicCounters& counters() noexcept override;

 private:
  uint32_t receive_burst(Packet** frames, uint32_t max) noexcept;
  uint32_t transmit_burst(Packet** frames, uint32_t count) noexcept;

  DpdkPort& port_;
  DpdkPool& pool_;
  const uint16_t id_;
  const uint16_t queue_;
  const bool copies_short_;
  NicCapabilities capabilities_;
  DpdkWakeup wakeup_;
  NicCounters counters_;
  bool entered_ = false;
  // Frames that were found while the interrupt was being armed.
  uint32_t early_count_ = 0;
  Packet* early_[kBurst];
};

}  // namespace sluice::nic
