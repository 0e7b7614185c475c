#pragma once

#include <cstdint>

#include "net/address.hpp"

namespace sluice::tcp {

// What drives the stack: time, frames and waiting. With a NIC it is what polls `net` and sleeps adaptively; in simulation it is
// virtual time.
class Reactor {
 public:
  virtual ~Reactor() = default;

  // Monotonic. Read once at the start of each poll() and once after a wait.
  virtual uint64_t now_us() noexcept = 0;

  // Hands frames that have come, at most `budget`, through the IP layer to the SegmentHandler before it returns. Returns how many
  // frames it took.
  virtual uint32_t receive(uint32_t budget) = 0;

  // Returns when frames wait, when the doorbell rang or after timeout_us (negative: no limit) at the latest; earlier is allowed.
  virtual void wait(int64_t timeout_us) = 0;
  virtual int wait_fd() const noexcept = 0;
  virtual void watch_doorbell(int fd) = 0;

  // Whether segments of this connection reach this core (RSS): asked when an active open chooses its port.
  virtual bool reaches_us(const net::Flow& flow) const noexcept = 0;
};

}  // namespace sluice::tcp
