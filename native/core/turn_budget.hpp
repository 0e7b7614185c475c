#pragma once

#include <algorithm>
#include <cstdint>

namespace sluice::core {

// How much of what a polled device has goes into one turn. Clients that wait for their answers stand still while all of these are made in
// one go, and the core does while all clients ask again: taken in parts, both sides have work. Only where more is left, turn after turn,
// do turns grow, which makes each message cheaper.
class TurnBudget {
 public:
  explicit TurnBudget(uint32_t most) noexcept : most_(most), budget_(std::min(kLeast, most)) {}

  uint32_t next() const noexcept { return budget_; }
  void took(uint32_t handled) noexcept {
    budget_ = handled < budget_ ? std::max(budget_ / 2, std::min(kLeast, most_)) : std::min(budget_ * 2, most_);
  }

 private:
  static constexpr uint32_t kLeast = 32;

  uint32_t most_;
  uint32_t budget_;
};

}  // namespace sluice::core
