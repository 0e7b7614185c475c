#pragma once

#include <cstddef>
#include <cstdint>

namespace sluice::wiregen {

// Whether to leave the server's frames in the device because it takes none of ours: answers would only heap up. Not for ever: a
// server whose packets all wait for us to take them has none to receive ours into, and each would wait for the other.
class HoldUp {
 public:
  static constexpr uint64_t kPatienceNs = 5'000'000;

  explicit HoldUp(size_t most) noexcept : most_(most) {}

  // `waiting`: frames that the device has not taken; `taken`: those that it has, all together.
  bool look(size_t waiting, uint64_t taken, uint64_t now_ns) noexcept {
    if (taken != taken_ || waiting <= most_) {
      taken_ = taken;
      since_ns_ = now_ns;
    }
    stuck_ = now_ns - since_ns_ >= kPatienceNs;
    return waiting > most_ && !stuck_;
  }
  bool stuck() const noexcept { return stuck_; }

 private:
  size_t most_;
  uint64_t taken_ = 0;
  uint64_t since_ns_ = 0;
  bool stuck_ = false;
};

}  // namespace sluice::wiregen
