#include "bench/histogram.hpp"

#include <algorithm>

#include "bench/json.hpp"

namespace sluice::load {

void Histogram::clear() noexcept {
  std::fill(counts_.begin(), counts_.end(), 0u);
  total_ = 0;
  sum_ = 0;
  max_ = 0;
}

uint64_t Histogram::middle_of(uint32_t index) noexcept {
  if (index < (2u << kMantissaBits)) return index;
  uint32_t exponent = (index >> kMantissaBits) - 1;
  uint64_t mantissa = index - (exponent << kMantissaBits);
  return (mantissa << exponent) + (uint64_t{1} << exponent) / 2;
}

uint64_t Histogram::value_at(double quantile) const noexcept {
  if (total_ == 0) return 0;
  uint64_t rank = static_cast<uint64_t>(quantile * static_cast<double>(total_) + 0.5);
  rank = std::clamp<uint64_t>(rank, 1, total_);
  uint64_t seen = 0;
  for (uint32_t i = 0; i < kBuckets; ++i) {
    seen += counts_[i];
    if (seen >= rank) return std::min(middle_of(i), max_);
  }
  return max_;
}

std::string Histogram::json() const {
  JsonObject out;
  out.number("count", total_);
  out.number("mean_us", mean() / 1e3);
  out.number("p50_us", static_cast<double>(value_at(0.5)) / 1e3);
  out.number("p90_us", static_cast<double>(value_at(0.9)) / 1e3);
  out.number("p99_us", static_cast<double>(value_at(0.99)) / 1e3);
  out.number("p999_us", static_cast<double>(value_at(0.999)) / 1e3);
  out.number("max_us", static_cast<double>(max_) / 1e3);
  out.number("mantissa_bits", uint64_t{kMantissaBits});
  std::string buckets = "[";
  for (uint32_t i = 0; i < kBuckets; ++i) {
    if (counts_[i] == 0) continue;
    if (buckets.size() > 1) buckets += ',';
    buckets += '[' + std::to_string(i) + ',' + std::to_string(counts_[i]) + ']';
  }
  out.raw("buckets", buckets + "]");
  return out.text();
}

}  // namespace sluice::load
