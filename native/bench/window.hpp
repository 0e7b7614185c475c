#pragma once

#include <cstdint>

#include "bench/cpu_usage.hpp"
#include "bench/json.hpp"
#include "bench/options.hpp"

namespace sluice::load {

inline constexpr uint64_t kNever = UINT64_MAX;

// The measured part of a run: nothing -> warm-up -> measuring -> over. It only moves when update() is called.
class Window {
 public:
  enum class Phase : uint8_t { kBefore, kWarmup, kMeasuring, kOver };

  // All connections are ready: the warm-up begins.
  void begin(const Options& options, uint64_t now_ns) noexcept;
  // True when the phase changed; kMeasuring and kOver sample the CPU times.
  bool update(const Options& options, uint64_t now_ns);
  // Ends the measuring at once (a run that ends by its own count).
  void finish(const Options& options, uint64_t now_ns);

  Phase phase() const noexcept { return phase_; }
  bool measuring() const noexcept { return phase_ == Phase::kMeasuring; }
  bool over() const noexcept { return phase_ == Phase::kOver; }
  uint64_t next_change_ns() const noexcept { return next_ns_; }
  double seconds() const noexcept { return static_cast<double>(to_.at_ns - from_.at_ns) / 1e9; }

  // Rates of `count` things that happened within, and the CPU time of both sides.
  void report(JsonObject& out, uint64_t count) const;

 private:
  Phase phase_ = Phase::kBefore;
  uint64_t next_ns_ = kNever;
  CpuSample from_;
  CpuSample to_;
};

}  // namespace sluice::load
