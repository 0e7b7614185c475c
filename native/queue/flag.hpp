#pragma once

#include <atomic>

namespace sluice::queue {

// A one-way signal between threads: what was done before set() is seen by whoever sees it set.
class Flag {
 public:
  void set() noexcept { value_.store(true, std::memory_order_release); }
  bool is_set() const noexcept { return value_.load(std::memory_order_acquire); }

 private:
  std::atomic<bool> value_{false};
};

}  // namespace sluice::queue
