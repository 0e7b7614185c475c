#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

namespace sluice::load {

// The sequence numbers of one channel that were acknowledged: each once, and without a gap in the end. A bit each.
class SeqSet {
 public:
  // False: the number was there already.
  bool insert(uint64_t seq) {
    if (count_ == 0) {
      // Acknowledgements of other connections may be earlier in the sequence but later in our hands.
      base_ = seq > kSlack ? seq - kSlack : 0;
      lowest_ = highest_ = seq;
    }
    if (seq < base_) return false;
    uint64_t bit = seq - base_;
    if (bit / 64 >= words_.size()) words_.resize(std::max<size_t>(bit / 64 + 1, words_.size() * 2 + 1024));
    uint64_t mask = uint64_t{1} << (bit % 64);
    if ((words_[bit / 64] & mask) != 0) return false;
    words_[bit / 64] |= mask;
    lowest_ = std::min(lowest_, seq);
    highest_ = std::max(highest_, seq);
    ++count_;
    return true;
  }

  bool dense() const noexcept { return count_ == 0 || highest_ - lowest_ + 1 == count_; }
  uint64_t highest() const noexcept { return count_ == 0 ? 0 : highest_; }
  uint64_t count() const noexcept { return count_; }
  std::string describe() const {
    return std::to_string(count_) + " numbers from " + std::to_string(lowest_) + " to " + std::to_string(highest_);
  }

 private:
  static constexpr uint64_t kSlack = 1u << 20;
  uint64_t base_ = 0;
  uint64_t lowest_ = 0;
  uint64_t highest_ = 0;
  uint64_t count_ = 0;
  std::vector<uint64_t> words_;
};

}  // namespace sluice::load
