#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "base/lazy_array.hpp"

namespace sluice::tcp {

// The cookies by which connections began, each of which opens one: what a peer sent first comes again where our reset was lost, or late out
// of the network, and would open a connection that the other side knows nothing of. Bounded: where sixteen fall together the oldest is
// forgotten, and may open once more. A name is a number without any pattern (SynCookies), of which 32 bits are kept: of 2^28 cookies
// one at most is taken for another that is spent, and its client reset.
class SpentCookies {
 public:
  explicit SpentCookies(uint32_t count) : buckets_(std::max(count / kTogether, 1u)) {}

  void add(uint64_t name) noexcept {
    uint32_t* const tags = buckets_[bucket_of(name)].tags;
    std::memmove(tags + 1, tags, (kTogether - 1) * sizeof *tags);
    tags[0] = tag_of(name);
  }
  bool has(uint64_t name) const noexcept {
    const uint32_t* const tags = buckets_[bucket_of(name)].tags;
    return std::find(tags, tags + kTogether, tag_of(name)) != tags + kTogether;
  }

 private:
  static constexpr uint32_t kTogether = 16;
  struct Bucket {
    uint32_t tags[kTogether];  // the newest first; 0: none
  };
  static_assert(sizeof(Bucket) == 64);

  uint32_t bucket_of(uint64_t name) const noexcept { return static_cast<uint32_t>(name >> 32) % buckets_.size(); }
  static uint32_t tag_of(uint64_t name) noexcept { return std::max(static_cast<uint32_t>(name), 1u); }

  LazyArray<Bucket> buckets_;
};

}  // namespace sluice::tcp
