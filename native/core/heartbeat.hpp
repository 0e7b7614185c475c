#pragma once

#include <cstdint>

#include "core/lifecycle.hpp"
#include "core/parts.hpp"

namespace sluice::core {

// Heartbeats without a timer for each connection: a walk over the rows, a slice at a time, eight times an interval. What a silent
// connection costs is the look at its row. Slices are of a millisecond: with a million connections those of twenty would send 1,600
// heartbeats at once, and whatever else is due would wait for them.
class Heartbeat {
 public:
  Heartbeat(Parts& parts, Lifecycle& lifecycle) : parts_(parts), lifecycle_(lifecycle) {}

  // Once a millisecond, or when it is called: walks as many rows as the time since the last walk asks for.
  void walk();

 private:
  static constexpr uint32_t kWalksPerInterval = 8;
  static constexpr uint8_t kMissedAllowed = 2;
  // In a row: an application that hangs is found out although its TCP goes on acknowledging.
  static constexpr uint8_t kSparedMost = 3;
  static constexpr uint64_t kWalkEveryUs = 1000;
  // Heartbeats in a second.
  static constexpr uint64_t kAllowedLeast = 12'800;

  void look_at(uint32_t slot);
  bool acknowledged(uint32_t slot);
  void send(uint32_t slot);

  Parts& parts_;
  Lifecycle& lifecycle_;
  uint64_t walked_us_ = 0;
  uint64_t due_ = 0;  // rows × 2^16
  uint32_t next_ = 0;
  uint64_t allowed_ = 0;  // heartbeats that this call may still send
};

}  // namespace sluice::core
