#pragma once

#include <cstdint>
#include <string>

#include <rte_atomic.h>

struct rte_ring;

namespace sluice::nic {

// Frames on their way from one core's thread to another's.
class DpdkHandoff {
 public:
  // Some milliseconds of a fast link's small frames: as long as a core's turn may take.
  static constexpr uint32_t kFrames = 4096;

  ~DpdkHandoff();
  DpdkHandoff() = default;
  DpdkHandoff(const DpdkHandoff&) = delete;
  DpdkHandoff& operator=(const DpdkHandoff&) = delete;

  // False with the reason.
  bool create(const std::string& name, int socket, std::string& error);
  // Returns for how many of them there was room.
  uint32_t push(void* const* frames, uint32_t count) noexcept;
  uint32_t pop(void** frames, uint32_t max) noexcept;
  bool empty() const noexcept;

 private:
  rte_ring* ring_ = nullptr;
};

// Wakes a core that sleeps; who rings it at a core that is awake pays a fence.
class DpdkDoorbell {
 public:
  ~DpdkDoorbell();
  DpdkDoorbell() = default;
  DpdkDoorbell(const DpdkDoorbell&) = delete;
  DpdkDoorbell& operator=(const DpdkDoorbell&) = delete;

  bool open(std::string& error);
  int fd() const noexcept { return fd_; }

  // The sleeper, before it looks a last time at what it waits for.
  void arm() noexcept;
  bool armed() const noexcept { return armed_; }
  void disarm() noexcept;
  // Any other thread, after it handed something over.
  void ring() noexcept;

 private:
  int fd_ = -1;
  bool armed_ = false;          // the sleeper's own
  rte_atomic32_t asleep_ = {};  // set by the sleeper, taken by the first who rings
};

}  // namespace sluice::nic
