#pragma once

#include <atomic>

namespace sluice::queue {

// A one-way signal between threads: what was done before set() is seen by whoever sees it set.
class Flag {
 public:
  void set() noexcept { value_.store(true, std::memory_order_release); }
  bool is_set() const noexcept { return value_.load(std::memory_order_acquire); }
  // For a signal that is given again and again.
  void clear() noexcept { value_.store(false, std::memory_order_release); }

 private:
  std::atomic<bool> value_{false};
};

}  // namespace sluice::queue
