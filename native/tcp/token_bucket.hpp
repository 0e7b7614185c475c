#pragma once

#include <algorithm>
#include <cstdint>

namespace sluice::tcp {

// At most `per_s` a second, and as many at once.
class TokenBucket {
 public:
  explicit TokenBucket(uint32_t per_s) : per_s_(per_s), tokens_(per_s) {}

  bool take(uint32_t now_ms) noexcept {
    const uint64_t earned = (static_cast<uint64_t>(now_ms - last_ms_) * per_s_ + remainder_);
    tokens_ = static_cast<uint32_t>(std::min<uint64_t>(per_s_, tokens_ + earned / 1000));
    remainder_ = static_cast<uint32_t>(earned % 1000);
    last_ms_ = now_ms;
    if (tokens_ == 0) return false;
    --tokens_;
    return true;
  }

 private:
  uint32_t per_s_;
  uint32_t tokens_;
  uint32_t remainder_ = 0;
  uint32_t last_ms_ = 0;
};

}  // namespace sluice::tcp
