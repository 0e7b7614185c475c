#pragma once

#include <cstdint>
#include <cstring>
#include <vector>

namespace sluice::load {

// The bytes of message `number` of connection `owner`: eight that name it, then a stretch of a fixed pattern that begins
// elsewhere for each number. So a reply that is late, doubled, of another connection or shifted is seen, at the price of a memcmp.
class Payload {
 public:
  static constexpr uint32_t kStretch = 64;

  explicit Payload(uint32_t size) : size_(size), pattern_(size + kStretch) {
    // Printable, so that the same bytes can travel as text; neither quote nor backslash, so that they are a string in JSON as they are.
    for (uint32_t i = 0; i < pattern_.size(); ++i) pattern_[i] = static_cast<uint8_t>('#' + (i * 7 + i / 64) % 57);
  }

  uint32_t size() const noexcept { return size_; }

  void write(uint8_t* out, uint32_t owner, uint64_t number) const noexcept {
    uint8_t name[8];
    name_of(name, owner, number);
    uint32_t head = size_ < 8 ? size_ : 8;
    std::memcpy(out, name, head);
    std::memcpy(out + head, pattern_.data() + number % kStretch, size_ - head);
  }

  bool matches(const uint8_t* data, uint64_t length, uint32_t owner, uint64_t number) const noexcept {
    if (length != size_) return false;
    uint8_t name[8];
    name_of(name, owner, number);
    uint32_t head = size_ < 8 ? size_ : 8;
    return std::memcmp(data, name, head) == 0 && std::memcmp(data + head, pattern_.data() + number % kStretch, size_ - head) == 0;
  }

 private:
  // Six bits a byte, all printable; the number comes first because a small payload holds nothing else.
  static void name_of(uint8_t out[8], uint32_t owner, uint64_t number) noexcept {
    uint64_t bits = (number & 0xffffffffu) | static_cast<uint64_t>(owner & 0xffffu) << 32;
    for (int i = 0; i < 8; ++i) {
      const auto character = static_cast<uint8_t>('0' + ((bits >> (6 * i)) & 63));
      out[i] = character == '\\' ? uint8_t{'p'} : character;
    }
  }

  uint32_t size_;
  std::vector<uint8_t> pattern_;
};

}  // namespace sluice::load
