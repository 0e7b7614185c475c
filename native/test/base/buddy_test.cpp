#include "base/buddy.hpp"

#include <bit>
#include <catch2/catch.hpp>
#include <cstring>
#include <map>
#include <random>
#include <vector>

namespace sluice {
namespace {

constexpr uint32_t kTotal = 1u << 16;

uint32_t rounded(uint32_t bytes) { return std::max(Buddy::kMinBytes, std::bit_ceil(bytes)); }

TEST_CASE("buddy: sizes are rounded up to powers of two", "[base]") {
  std::vector<uint8_t> memory(kTotal);
  Buddy buddy(memory.data(), kTotal);
  for (const uint32_t bytes : {0u, 1u, 255u, 256u, 257u, 512u, 513u, 4096u, 32769u, kTotal}) {
    const uint32_t offset = buddy.allocate(bytes);
    REQUIRE(offset != Buddy::kNone);
    CHECK(buddy.capacity(offset) == rounded(std::max(bytes, 1u)));
    CHECK(buddy.used_bytes() == buddy.capacity(offset));
    buddy.free(offset);
    CHECK(buddy.used_bytes() == 0);
  }
}

TEST_CASE("buddy: more than there is, is refused", "[base]") {
  std::vector<uint8_t> memory(kTotal);
  Buddy buddy(memory.data(), kTotal);
  CHECK(buddy.allocate(kTotal + 1) == Buddy::kNone);
  CHECK(buddy.allocate(UINT32_MAX) == Buddy::kNone);
  const uint32_t all = buddy.allocate(kTotal);
  CHECK(all == 0);
  CHECK(buddy.allocate(1) == Buddy::kNone);
  buddy.free(all);
  CHECK(buddy.allocate(1) != Buddy::kNone);
}

TEST_CASE("buddy: the smallest window is one piece", "[base]") {
  std::vector<uint8_t> memory(Buddy::kMinBytes);
  Buddy buddy(memory.data(), Buddy::kMinBytes);
  for (int round = 0; round < 3; ++round) {
    CHECK(buddy.allocate(1) == 0);
    CHECK(buddy.allocate(1) == Buddy::kNone);
    buddy.free(0);
  }
}

TEST_CASE("buddy: knows its own bytes", "[base]") {
  std::vector<uint8_t> memory(kTotal + 2);
  Buddy buddy(memory.data() + 1, kTotal);
  CHECK_FALSE(buddy.contains(memory.data()));
  CHECK(buddy.contains(memory.data() + 1));
  CHECK(buddy.contains(memory.data() + kTotal));
  CHECK_FALSE(buddy.contains(memory.data() + kTotal + 1));
}

// Pieces by offset, each filled with a byte of its own: an overlap shows as a wrong byte or a wrong neighbour.
class Oracle {
 public:
  explicit Oracle(uint32_t total) : memory_(total), buddy_(memory_.data(), total) {}

  void allocate(uint32_t bytes) {
    const uint32_t offset = buddy_.allocate(bytes);
    if (offset == Buddy::kNone) {
      REQUIRE_FALSE(fits(rounded(bytes)));
      return;
    }
    const uint32_t capacity = rounded(bytes);
    REQUIRE(buddy_.capacity(offset) == capacity);
    REQUIRE(offset % capacity == 0);
    REQUIRE(offset + capacity <= memory_.size());
    REQUIRE(free_between(offset, capacity));
    pieces_[offset] = {capacity, static_cast<uint8_t>(++fill_)};
    used_ += capacity;
    std::memset(buddy_.data(offset), static_cast<uint8_t>(fill_), capacity);
    REQUIRE(buddy_.used_bytes() == used_);
  }

  void free(size_t which) {
    auto piece = std::next(pieces_.begin(), static_cast<ptrdiff_t>(which % pieces_.size()));
    const std::vector<uint8_t> expected(piece->second.capacity, piece->second.fill);
    REQUIRE(std::memcmp(buddy_.data(piece->first), expected.data(), expected.size()) == 0);
    used_ -= piece->second.capacity;
    buddy_.free(piece->first);
    pieces_.erase(piece);
    REQUIRE(buddy_.used_bytes() == used_);
  }

  bool empty() const { return pieces_.empty(); }
  Buddy& buddy() { return buddy_; }

 private:
  struct Piece {
    uint32_t capacity;
    uint8_t fill;
  };

  bool free_between(uint32_t offset, uint32_t capacity) const {
    const auto next = pieces_.lower_bound(offset);
    if (next != pieces_.end() && next->first < offset + capacity) return false;
    return next == pieces_.begin() || std::prev(next)->first + std::prev(next)->second.capacity <= offset;
  }
  // With everything merged that can be, a piece fits wherever an aligned place for it is free.
  bool fits(uint32_t capacity) const {
    for (uint32_t offset = 0; offset + capacity <= memory_.size(); offset += capacity) {
      if (free_between(offset, capacity)) return true;
    }
    return false;
  }

  std::vector<uint8_t> memory_;
  Buddy buddy_;
  std::map<uint32_t, Piece> pieces_;
  uint32_t used_ = 0;
  uint32_t fill_ = 0;
};

TEST_CASE("buddy: random allocations against an oracle, merged into one piece at the end", "[base]") {
  for (uint32_t seed = 1; seed <= 6; ++seed) {
    Oracle oracle(kTotal);
    std::mt19937 random(seed);
    for (int step = 0; step < 4000; ++step) {
      const bool allocate = oracle.empty() || random() % 100 < (step / 500 % 2 == 0 ? 65u : 35u);
      if (allocate) {
        oracle.allocate(1 + random() % (1u << (8 + random() % 7)));
      } else {
        oracle.free(random());
      }
    }
    while (!oracle.empty()) oracle.free(random());
    REQUIRE(oracle.buddy().used_bytes() == 0);
    REQUIRE(oracle.buddy().allocate(kTotal) == 0);
  }
}

}  // namespace
}  // namespace sluice
