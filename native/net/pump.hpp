#pragma once

#include <cstdint>

namespace sluice::net {

// How the driver on top of the IP layer gets frames and time, and waits for them. `core` implements it over a NIC, files and the
// monotonic clock; the simulation over virtual time.
class Pump {
 public:
  virtual ~Pump() = default;

  // Monotonic; the same for all of one turn. receive() and wait() move it on.
  virtual uint64_t now_us() const noexcept = 0;

  // Takes in what the NIC has, at most about `budget` frames: segments reach the SegmentHandler within the call. Runs the IP layer's
  // own timers, too. Returns how many frames there were.
  virtual uint32_t receive(uint32_t budget) = 0;

  // After a receive() that brought nothing: waits until frames may have come, the doorbell rings (it is reset) or `until_us` is
  // reached (UINT64_MAX: no deadline). Under load it returns at once.
  virtual void wait(uint64_t until_us) = 0;

  // The same for a loop that hosts the core: true when wait_fd() becomes readable as soon as wait() would return, false when
  // receive() is to be called again right away.
  virtual bool prepare_wait(uint64_t until_us) = 0;
  virtual int wait_fd() const noexcept = 0;
  virtual void watch_doorbell(int fd) = 0;
};

}  // namespace sluice::net
