#pragma once

#include <cstdint>
#include <cstring>
#include <vector>

#include "wiregen/client.hpp"

namespace sluice::wiregen {

// The bytes of message `number` of a client: eight that name both, then a stretch of a fixed pattern that begins elsewhere for each.
// So an answer that is late, doubled, shifted or another client's is seen, at the price of a memcmp. Printable: it may travel as text.
class Payload {
 public:
  static constexpr uint32_t kStretch = 64;

  explicit Payload(uint32_t size) : size_(size), pattern_(size + kStretch) {
    for (uint32_t i = 0; i < pattern_.size(); ++i) pattern_[i] = static_cast<uint8_t>('!' + (i * 7 + i / 64) % 90);
  }

  uint32_t size() const noexcept { return size_; }

  void write(uint8_t* out, ClientId owner, uint32_t number) const noexcept {
    const uint64_t name = name_of(owner, number);
    const uint32_t head = size_ < 8 ? size_ : 8;
    std::memcpy(out, &name, head);
    std::memcpy(out + head, stretch(owner, number), size_ - head);
  }

  // The same under a WebSocket mask (ws/mask.hpp), in one go: what was just written would have to be waited for.
  void write_masked(uint8_t* out, ClientId owner, uint32_t number, uint32_t mask) const noexcept {
    const uint64_t key = uint64_t{mask} << 32 | mask;
    const uint64_t name = name_of(owner, number) ^ key;
    uint32_t at = size_ < 8 ? size_ : 8;
    std::memcpy(out, &name, at);
    const uint8_t* from = stretch(owner, number);
    for (; size_ - at >= sizeof(Lane); at += sizeof(Lane), from += sizeof(Lane)) {
      Lane lane;
      std::memcpy(&lane, from, sizeof lane);
      lane ^= Lane{key, key};
      std::memcpy(out + at, &lane, sizeof lane);
    }
    for (; size_ - at >= 8; at += 8, from += 8) {
      uint64_t word;
      std::memcpy(&word, from, sizeof word);
      word ^= key;
      std::memcpy(out + at, &word, sizeof word);
    }
    for (; at < size_; ++at, ++from) out[at] = static_cast<uint8_t>(*from ^ mask >> 8 * (at & 3));
  }

  bool matches(const uint8_t* data, uint64_t length, ClientId owner, uint32_t number) const noexcept {
    if (length != size_) return false;
    const uint64_t name = name_of(owner, number);
    const uint32_t head = size_ < 8 ? size_ : 8;
    return std::memcmp(data, &name, head) == 0 && std::memcmp(data + head, stretch(owner, number), size_ - head) == 0;
  }

 private:
  using Lane = uint64_t __attribute__((vector_size(16)));

  const uint8_t* stretch(ClientId owner, uint32_t number) const noexcept { return pattern_.data() + (owner * 5 + number) % kStretch; }

  // Six bits a byte, all printable: 24 of the number, which come first because a small payload holds nothing else, 24 of the owner.
  static uint64_t name_of(ClientId owner, uint32_t number) noexcept {
    // Halves of 24 bits are halved twice, to 12 and to 6, each time into lanes of half the width.
    uint64_t bits = (number & 0xffffffu) | static_cast<uint64_t>(owner & 0xffffffu) << 32;
    bits = (bits & 0x00000fff00000fffu) | (bits & 0x00fff00000fff000u) << 4;
    bits = (bits & 0x003f003f003f003fu) | (bits & 0x0fc00fc00fc00fc0u) << 2;
    return bits + 0x3030303030303030u;
  }

  uint32_t size_;
  std::vector<uint8_t> pattern_;
};

}  // namespace sluice::wiregen
