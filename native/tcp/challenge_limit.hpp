#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "base/siphash.hpp"

namespace sluice::tcp {

// How many challenges all connections together may send within a second (RFC 5961 §7): `per_s` on average, in each second another number
// that only the key tells. Were it always the same, somebody with enough connections of his own could count how many of his get one, and
// learn from what is missing whether a guess at another connection's numbers was right (CVE-2016-5696).
class ChallengeLimit {
 public:
  ChallengeLimit(uint32_t per_s, const SipKey& key) : per_s_(per_s), key_(key) {}

  bool take(uint32_t now_ms) noexcept {
    const uint32_t second = now_ms / 1000;
    if (second != second_) {
      second_ = second;
      left_ = draw(second);
    }
    if (left_ == 0) return false;
    --left_;
    return true;
  }

 private:
  // From a half of it to one and a half.
  uint32_t draw(uint32_t second) const noexcept {
    uint8_t bytes[sizeof second];
    std::memcpy(bytes, &second, sizeof second);
    return (per_s_ + 1) / 2 + static_cast<uint32_t>(siphash24(key_, bytes, sizeof bytes) % std::max(per_s_, 1u));
  }

  uint32_t per_s_;
  SipKey key_;
  uint32_t second_ = UINT32_MAX;
  uint32_t left_ = 0;
};

}  // namespace sluice::tcp
