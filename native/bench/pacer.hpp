#pragma once

#include <cstdint>

namespace sluice::load {

// When each thing of an open loop was due. Latency is counted from there and not from the moment of sending, so that a
// server that stalls is charged for everything that had to wait meanwhile (no coordinated omission).
class Pacer {
 public:
  void start(double per_second, uint64_t now_ns) noexcept {
    interval_ns_ = 1e9 / per_second;
    from_ns_ = now_ns;
    next_ = 0;
  }
  uint64_t due_ns(uint64_t number) const noexcept { return from_ns_ + static_cast<uint64_t>(static_cast<double>(number) * interval_ns_); }
  uint64_t next_due_ns() const noexcept { return due_ns(next_); }
  bool is_due(uint64_t now_ns) const noexcept { return next_due_ns() <= now_ns; }
  uint64_t take() noexcept { return due_ns(next_++); }
  uint64_t taken() const noexcept { return next_; }

 private:
  double interval_ns_ = 0;
  uint64_t from_ns_ = 0;
  uint64_t next_ = 0;
};

}  // namespace sluice::load
