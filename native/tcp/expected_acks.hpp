#pragma once

#include <cstdint>
#include <vector>

#include "tcp/slab.hpp"

namespace sluice::tcp {

// Rows in the order in which a fan-out was sent to them. Their acknowledgements most often come in that order, so who is next is known
// before its name is hashed and looked up, and its memory can be asked for. No more than a guess: a row's addresses and ports decide.
class ExpectedAcks {
 public:
  ExpectedAcks() : rows_(kMost) {}

  void sent(uint32_t row) noexcept {
    rows_[end_++ & kMask] = row;
    if (end_ - begin_ > kMost) begin_ = end_ - kMost;
  }
  // The one `ahead` behind the next; kNone where no more are expected.
  uint32_t peek(uint32_t ahead) const noexcept { return end_ - begin_ > ahead ? rows_[(begin_ + ahead) & kMask] : kNone; }
  // The next `count` are not expected any more: one of them came, and what was before it is lost or late.
  void pass(uint32_t count) noexcept { begin_ += count; }

 private:
  // More than a device and its queue hold.
  static constexpr uint32_t kMost = 4096;
  static constexpr uint32_t kMask = kMost - 1;

  std::vector<uint32_t> rows_;
  uint32_t begin_ = 0;  // both run on and wrap
  uint32_t end_ = 0;
};

}  // namespace sluice::tcp
