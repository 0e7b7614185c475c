#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace sluice::load {

// Latencies in nanoseconds in logarithmic buckets: 128 to each doubling, so a bucket is at most 0.8% wide (between two and
// three significant digits). bench/lib/histogram.ts decodes the same layout; `kMantissaBits` travels with the data.
class Histogram {
 public:
  static constexpr uint32_t kMantissaBits = 7;
  static constexpr uint32_t kMaxExponent = 34;  // up to 2^41 ns, 36 minutes; longer ones count as that
  static constexpr uint32_t kBuckets = (kMaxExponent + 2) << kMantissaBits;

  Histogram() : counts_(kBuckets, 0) {}

  void record(uint64_t ns) noexcept {
    ++counts_[index_of(ns)];
    ++total_;
    sum_ += ns;
    if (ns > max_) max_ = ns;
  }

  void clear() noexcept;
  uint64_t total() const noexcept { return total_; }
  uint64_t max() const noexcept { return max_; }
  double mean() const noexcept { return total_ == 0 ? 0.0 : static_cast<double>(sum_) / static_cast<double>(total_); }
  // The value below which `quantile` (0 to 1) of the recorded ones lie: the middle of its bucket, never above the maximum.
  uint64_t value_at(double quantile) const noexcept;

  // {"p50":..,"p90":..,..} in microseconds, and the buckets that hold something.
  std::string json() const;

  static uint32_t index_of(uint64_t ns) noexcept {
    if (ns < (2u << kMantissaBits)) return static_cast<uint32_t>(ns);
    uint32_t exponent = 63u - static_cast<uint32_t>(__builtin_clzll(ns)) - kMantissaBits;
    if (exponent > kMaxExponent) return kBuckets - 1;
    return (exponent << kMantissaBits) + static_cast<uint32_t>(ns >> exponent);
  }
  static uint64_t middle_of(uint32_t index) noexcept;

 private:
  std::vector<uint64_t> counts_;
  uint64_t total_ = 0;
  uint64_t sum_ = 0;
  uint64_t max_ = 0;
};

}  // namespace sluice::load
