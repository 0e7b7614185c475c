#pragma once

#include <cstdint>
#include <string>

#include "nic/nic.hpp"

namespace sluice::nic {

// The exception path: frames that are not ours go to the kernel through a port of its own, and what the kernel sends there goes out over
// the device. Both ports take packets of one pool.
class ExceptionNic final : public Nic {
 public:
  ExceptionNic(Nic& inner, Nic& kernel);
  ~ExceptionNic() override;

  // False with the reason.
  bool open(std::string& error);

  // Takes a frame for the kernel. It gets a burst of them a turn and no more: whoever sends what is not ours shall not keep the core
  // from what is.
  void give(Packet* frame) noexcept;

  const char* name() const noexcept override { return inner_.name(); }
  const NicCapabilities& capabilities() const noexcept override { return capabilities_; }
  PacketPool& pool() noexcept override { return inner_.pool(); }
  uint32_t receive(Packet** frames, uint32_t max) noexcept override;
  uint32_t transmit(Packet** frames, uint32_t count) noexcept override { return inner_.transmit(frames, count); }
  bool transmitting(const Packet* packet) const noexcept override { return inner_.transmitting(packet); }
  bool link_up() noexcept override { return inner_.link_up(); }
  bool arm() noexcept override;
  int wait_fd() const noexcept override { return epoll_fd_; }
  bool worked() noexcept override;
  bool stalled() const noexcept override { return waiting_ != 0 || inner_.stalled() || kernel_.stalled(); }
  const NicCounters& counters() noexcept override;

 private:
  static constexpr uint32_t kBurst = 64;

  void serve_kernel() noexcept;
  void hand_over() noexcept;

  Nic& inner_;
  Nic& kernel_;
  NicCapabilities capabilities_;
  NicCounters counters_;
  int epoll_fd_ = -1;
  bool worked_ = false;
  uint64_t in_ = 0;
  uint64_t out_ = 0;
  uint64_t lost_ = 0;
  uint32_t given_count_ = 0;
  uint32_t waiting_ = 0;     // of the kernel's frames, for the device
  Packet* given_[kBurst];
  Packet* outgoing_[kBurst];
};

}  // namespace sluice::nic
