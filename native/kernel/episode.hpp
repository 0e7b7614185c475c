#pragma once

#include <cstdint>

namespace sluice {

// A condition that comes and goes quickly while it lasts (each closed connection frees a file, the next one takes it):
// the operator wants to hear of it once when it begins and once when it has stayed away for a while.
class Episode {
 public:
  // How often tick() is to be called while active().
  static constexpr uint32_t kTickMs = 20;
  static constexpr uint32_t kQuietTicks = 25;

  // The condition was met. True when that begins an episode.
  bool hit() noexcept {
    const bool begins = !active_;
    active_ = true;
    quiet_ = 0;
    return begins;
  }

  // True when the episode ends with this tick.
  bool tick() noexcept {
    if (!active_ || ++quiet_ < kQuietTicks) return false;
    active_ = false;
    return true;
  }

  bool active() const noexcept { return active_; }

 private:
  bool active_ = false;
  uint32_t quiet_ = 0;
};

}  // namespace sluice
