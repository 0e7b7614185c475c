#pragma once

#include "queue/counters.hpp"

namespace sluice::core {

// What a core asks of the device under its driver, where that is one which is polled.
class DeviceSide {
 public:
  virtual ~DeviceSide() = default;
  // For a loop that hosts the core, when there was nothing to do: true when the driver's wait_fd() announces what comes; false when
  // the device is to be polled again right away.
  virtual bool prepare_wait() = 0;
  virtual void publish(queue::Counters& counters) = 0;
  // Of a clock that costs less than the kernel's: a loop that polls asks at every turn.
  virtual uint64_t now_us() noexcept = 0;
};

}  // namespace sluice::core
