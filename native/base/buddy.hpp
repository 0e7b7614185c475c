#pragma once

#include <cstdint>
#include <vector>

namespace sluice {

// A buddy allocator over memory that somebody else owns: power-of-two pieces from kMinBytes up to the whole. It serves
// messages that span receive buffers, whose size is known only as they arrive. O(log n), no locks, one owner.
// Knuth, The Art of Computer Programming, vol. 1, §2.5.
class Buddy {
 public:
  static constexpr uint32_t kMinBytes = 256;
  static constexpr uint32_t kNone = UINT32_MAX;

  // `bytes` is a power of two and at least kMinBytes.
  Buddy(uint8_t* memory, uint32_t bytes);

  Buddy(const Buddy&) = delete;
  Buddy& operator=(const Buddy&) = delete;

  // Offset of at least `bytes` bytes, or kNone.
  uint32_t allocate(uint32_t bytes) noexcept;
  void free(uint32_t offset) noexcept;
  // Bytes that the piece at `offset` really has.
  uint32_t capacity(uint32_t offset) const noexcept;

  uint8_t* data(uint32_t offset) const noexcept { return memory_ + offset; }
  bool contains(const uint8_t* p) const noexcept { return p >= memory_ && p < memory_ + bytes_; }
  uint32_t used_bytes() const noexcept { return used_bytes_; }
  uint32_t total_bytes() const noexcept { return bytes_; }

 private:
  static constexpr uint8_t kFree = 0x80;
  static constexpr uint8_t kInside = 0x7f;

  uint32_t order_for(uint32_t bytes) const noexcept;
  void push_free(uint32_t unit, uint32_t order) noexcept;
  void remove_free(uint32_t unit, uint32_t order) noexcept;

  uint8_t* memory_;
  uint32_t bytes_;
  uint32_t orders_;
  uint32_t used_bytes_ = 0;
  // One byte a unit: kInside, or the order of the piece that starts here, with kFree when it is free.
  std::vector<uint8_t> tags_;
  // Free pieces of each order; free_position_ gives a free unit's place in its list, so that its buddy's removal is O(1).
  std::vector<std::vector<uint32_t>> free_;
  std::vector<uint32_t> free_position_;
};

}  // namespace sluice
