#include "wire/checksum.hpp"

namespace sluice::wire {

namespace {

uint64_t load64(const uint8_t* p) noexcept {
  uint64_t value;
  std::memcpy(&value, p, sizeof value);
  return value;
}

// In registers: copied piece by piece into a word in memory, they could be read from there only once all stores before had reached the
// cache.
uint64_t load_up_to_7(const uint8_t* p, uint32_t length) noexcept {
  uint64_t value = 0;
  if ((length & 1) != 0) value = p[length - 1];
  if ((length & 2) != 0) {
    uint16_t half;
    std::memcpy(&half, p + (length & 4), sizeof half);
    value = value << 16 | half;
  }
  if ((length & 4) != 0) {
    uint32_t word;
    std::memcpy(&word, p, sizeof word);
    value = value << 32 | word;
  }
  return value;
}

void add_carry(uint64_t& sum, uint64_t value) noexcept {
  sum += value;
  sum += sum < value;
}

}  // namespace

void Checksum::add(const uint8_t* bytes, uint32_t length) noexcept {
  if (length == 0) return;
  if (odd_) {
    // The second half of a word that the piece before began.
    accumulate(static_cast<uint64_t>(*bytes) << 8);
    odd_ = false;
    ++bytes;
    --length;
  }
  odd_ = (length & 1) != 0;
  uint64_t a = 0;
  uint64_t b = 0;
  for (; length >= 32; length -= 32, bytes += 32) {
    add_carry(a, load64(bytes));
    add_carry(b, load64(bytes + 8));
    add_carry(a, load64(bytes + 16));
    add_carry(b, load64(bytes + 24));
  }
  for (; length >= 8; length -= 8, bytes += 8) add_carry(a, load64(bytes));
  add_carry(a, load_up_to_7(bytes, length));
  accumulate(a);
  accumulate(b);
}

void add_pseudo_header_v6(Checksum& sum, const uint8_t* source, const uint8_t* target, uint8_t protocol, uint32_t length) noexcept {
  sum.add(source, 16);
  sum.add(target, 16);
  sum.add_word(static_cast<uint16_t>(length >> 16));
  sum.add_word(static_cast<uint16_t>(length));
  sum.add_word(protocol);
}

}  // namespace sluice::wire
