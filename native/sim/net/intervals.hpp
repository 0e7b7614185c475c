#pragma once

#include <cstdint>
#include <iterator>
#include <map>

namespace sluice::sim {

// Half-open ranges of numbers, joined where they touch.
class Intervals {
 public:
  void add(int64_t begin, int64_t end) {
    if (begin >= end) return;
    auto at = ranges_.upper_bound(begin);
    if (at != ranges_.begin() && std::prev(at)->second >= begin) --at;
    while (at != ranges_.end() && at->first <= end) {
      begin = begin < at->first ? begin : at->first;
      end = end > at->second ? end : at->second;
      at = ranges_.erase(at);
    }
    ranges_[begin] = end;
  }

  bool contains(int64_t begin, int64_t end) const {
    auto at = ranges_.upper_bound(begin);
    return begin >= end || (at != ranges_.begin() && std::prev(at)->second >= end);
  }

  // End of the range that begins at or before `from`; `from` where there is none.
  int64_t contiguous_from(int64_t from) const {
    auto at = ranges_.upper_bound(from);
    if (at == ranges_.begin() || std::prev(at)->second < from) return from;
    return std::prev(at)->second;
  }

  int64_t total() const {
    int64_t sum = 0;
    for (const auto& [begin, end] : ranges_) sum += end - begin;
    return sum;
  }

 private:
  std::map<int64_t, int64_t> ranges_;
};

}  // namespace sluice::sim
