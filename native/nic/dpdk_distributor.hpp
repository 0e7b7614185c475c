#pragma once

#include <memory>
#include <string>
#include <vector>

#include "nic/dpdk_handoff.hpp"
#include "nic/dpdk_queue.hpp"

namespace sluice::nic {

// One core's side of a port that another core polls.
class DpdkLane final : public Nic {
 public:
  DpdkLane(DpdkPort& port, DpdkQueue& polled, DpdkDoorbell& poller);
  ~DpdkLane() override;

  // False with the reason.
  bool open(uint32_t core, std::string& error);

  const char* name() const noexcept override { return "dpdk"; }
  const NicCapabilities& capabilities() const noexcept override { return capabilities_; }
  PacketPool& pool() noexcept override { return pool_; }
  uint32_t receive(Packet** frames, uint32_t max) noexcept override;
  uint32_t transmit(Packet** frames, uint32_t count) noexcept override;
  bool transmitting(const Packet* packet) const noexcept override { return polled_.transmitting(packet); }
  bool link_up() noexcept override { return polled_.link_up(); }
  bool arm() noexcept override;
  int wait_fd() const noexcept override { return bell_.fd(); }
  const NicCounters& counters() noexcept override;

  // ---- on the poller's thread ----

  // A frame of this lane's, kept until hand_over().
  void gather(Packet* frame) noexcept { gathered_[gathered_count_++] = frame; }
  // Returns how many found no room: they are dropped, as by a device whose queue is full.
  uint32_t hand_over() noexcept;
  // Offers what the lane sends to the device, at most about a burst.
  bool send() noexcept;
  // The device did not take all of what it was offered last.
  bool stalled() const noexcept { return staged_count_ != 0; }
  bool has_to_send() const noexcept { return !own_queue_ && !sending_.empty(); }

 private:
  static constexpr uint32_t kBurst = DpdkQueue::kBurst;

  uint32_t push_frames(Packet** frames, uint32_t count) noexcept;

  DpdkPort& port_;
  DpdkQueue& polled_;
  DpdkDoorbell& poller_;
  PacketPool& pool_;
  NicCapabilities capabilities_;
  NicCounters counters_;
  bool entered_ = false;
  DpdkDoorbell bell_;
  DpdkHandoff received_;
  DpdkHandoff sending_;                   // unused where it has a queue of its own
  std::unique_ptr<DpdkQueue> own_queue_;  // to send on, where the port has one for each core
  // The poller's:
  uint32_t gathered_count_ = 0;
  uint32_t staged_count_ = 0;
  void* gathered_[kBurst];
  rte_mbuf* staged_[kBurst];
};

// The first core's side of a port that does not spread flows by itself: it receives for all cores and hands each its flows' frames, by the
// hash that a device would use. Where the port has fewer transmit queues than there are cores, it sends for all of them as well.
class DpdkDistributor final : public Nic {
 public:
  // Who gets what comes: on the port to the kernel the first core, which sends it on.
  enum class Frames : uint8_t { kByFlow, kFirstCore };
  DpdkDistributor(DpdkPort& port, Frames frames) : port_(port), frames_(frames), queue_(port, 0) {}
  ~DpdkDistributor() override;

  // False with the reason.
  bool open(uint32_t cores, std::string& error);
  Nic& core(uint32_t index) noexcept { return index == 0 ? static_cast<Nic&>(*this) : *lanes_[index - 1]; }

  const char* name() const noexcept override { return "dpdk"; }
  const NicCapabilities& capabilities() const noexcept override { return queue_.capabilities(); }
  PacketPool& pool() noexcept override { return queue_.pool(); }
  uint32_t receive(Packet** frames, uint32_t max) noexcept override;
  uint32_t transmit(Packet** frames, uint32_t count) noexcept override { return queue_.transmit(frames, count); }
  bool transmitting(const Packet* packet) const noexcept override { return queue_.transmitting(packet); }
  bool link_up() noexcept override { return queue_.link_up(); }
  bool arm() noexcept override;
  int wait_fd() const noexcept override { return epoll_fd_; }
  bool worked() noexcept override;
  bool stalled() const noexcept override;
  const NicCounters& counters() noexcept override;

 private:
  uint32_t distribute(Packet** frames, uint32_t count) noexcept;

  DpdkPort& port_;
  const Frames frames_;
  DpdkQueue queue_;
  DpdkDoorbell bell_;
  std::vector<std::unique_ptr<DpdkLane>> lanes_;  // of the cores behind the first
  NicCounters counters_;
  uint64_t overflowed_ = 0;
  int epoll_fd_ = -1;
  bool worked_ = false;
};

}  // namespace sluice::nic
