#pragma once

#include <bit>
#include <cstdint>
#include <cstring>

namespace sluice::wire {

// The Internet checksum (RFC 1071). Sums are kept in memory order, so no byte is swapped: what finish() returns is stored as it is.
class Checksum {
 public:
  // Pieces follow each other; one of odd length may come before another.
  void add(const uint8_t* bytes, uint32_t length) noexcept;
  // A TCP header, options included, just written: it is read in the pieces that it was written in, two of eight bytes and then words. A
  // load that spans several stores waits until the cache has all of them, and with them whatever was stored before.
  void add_header(const uint8_t* bytes, uint32_t length) noexcept {
    uint64_t wide[2];
    std::memcpy(wide, bytes, sizeof wide);
    accumulate(wide[0]);
    accumulate(wide[1]);
    // With timestamps and nothing else, as nearly all.
    if (__builtin_expect(length == 32, 1)) {
      return accumulate(word_at(bytes + 16) + word_at(bytes + 20) + word_at(bytes + 24) + word_at(bytes + 28));
    }
    uint64_t sum = 0;
    for (uint32_t at = sizeof wide; at < length; at += 4) sum += word_at(bytes + at);
    accumulate(sum);
  }
  // A 16-bit word in host order.
  void add_word(uint16_t value) noexcept { accumulate(__builtin_bswap16(value)); }
  // A sum that is known already, as stored in memory and not complemented.
  void add_raw(uint16_t raw) noexcept { accumulate(raw); }

  // Several words of up to 32 bits, summed already.
  void add_sum(uint64_t sum) noexcept { accumulate(sum); }

  // The sum so far, folded and not complemented: 0xffff for right data that includes its checksum.
  uint16_t raw() const noexcept {
    // Both halves in the upper one, which the lower one's carry goes to: the end-around carry.
    const auto half = static_cast<uint32_t>((sum_ + std::rotl(sum_, 32)) >> 32);
    return static_cast<uint16_t>((half + std::rotl(half, 16)) >> 16);
  }
  uint16_t finish() const noexcept { return static_cast<uint16_t>(~raw()); }
  bool good() const noexcept { return raw() == 0xffff; }

 private:
  static uint64_t word_at(const uint8_t* at) noexcept {
    uint32_t word;
    std::memcpy(&word, at, sizeof word);
    return word;
  }
  void accumulate(uint64_t value) noexcept {
    sum_ += value;
    sum_ += sum_ < value;
  }

  uint64_t sum_ = 0;
  bool odd_ = false;
};

// Adds the pseudo-header of RFC 9293 §3.1: v4 with four-byte addresses, v6 (RFC 8200 §8.1) with sixteen.
inline void add_pseudo_header_v4(Checksum& sum, const uint8_t* source, const uint8_t* target, uint8_t protocol,
                                 uint16_t length) noexcept {
  // All four parts fit one sum of 64 bits, and folding it needs no carry between them.
  uint32_t words[2];
  std::memcpy(&words[0], source, 4);
  std::memcpy(&words[1], target, 4);
  sum.add_sum(static_cast<uint64_t>(words[0]) + words[1] + __builtin_bswap16(protocol) + __builtin_bswap16(length));
}
void add_pseudo_header_v6(Checksum& sum, const uint8_t* source, const uint8_t* target, uint8_t protocol, uint32_t length) noexcept;

// A stored checksum after one 16-bit word that it covers changed (RFC 1624, eqn. 3). All as stored.
inline uint16_t checksum_update(uint16_t stored, uint16_t before, uint16_t after) noexcept {
  uint32_t sum = static_cast<uint16_t>(~stored) + static_cast<uint32_t>(static_cast<uint16_t>(~before)) + after;
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(~sum);
}

inline void store_checksum(uint8_t* at, uint16_t as_stored) noexcept { std::memcpy(at, &as_stored, sizeof as_stored); }
inline uint16_t load_checksum(const uint8_t* at) noexcept {
  uint16_t as_stored;
  std::memcpy(&as_stored, at, sizeof as_stored);
  return as_stored;
}

}  // namespace sluice::wire
