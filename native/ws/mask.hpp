#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

// RFC 6455 §5.3: payload masking, undone in place. A key is the four bytes of the wire loaded as they lie, so that its lowest byte
// belongs to the first payload byte; any alignment of the data and any rotation of the key will do.

namespace sluice::ws {

// The key as it stands after `length` bytes.
inline uint32_t rotate_mask(uint32_t key, uint32_t length) noexcept { return std::rotr(key, static_cast<int>(8 * (length & 3))); }

namespace detail {

inline constexpr uint64_t kHighBits = 0x8080808080808080u;

template <typename Word>
inline Word load_word(const uint8_t* p) noexcept {
  Word word;
  std::memcpy(&word, p, sizeof word);
  return word;
}

template <typename Word>
inline void store_word(uint8_t* p, Word word) noexcept {
  std::memcpy(p, &word, sizeof word);
}

using Lane16 = uint64_t __attribute__((vector_size(16)));  // SSE2 on x86-64, NEON on arm64

inline uint64_t spread(uint32_t key) noexcept { return key * 0x0000000100000001u; }
inline Lane16 spread16(uint32_t key) noexcept { return Lane16{spread(key), spread(key)}; }

// Every path reads the last word before it writes the first one, and writes it last: the words overlap, and each byte ends with the
// key applied once. That replaces a loop over the odd bytes at the end.
inline bool unmask_lanes(uint8_t* data, uint32_t length, uint32_t key) noexcept {
  const Lane16 lane_key = spread16(key);
  const Lane16 tail = load_word<Lane16>(data + length - 16) ^ spread16(rotate_mask(key, length));
  Lane16 seen = tail;
  for (uint32_t at = 0; at + 16 < length; at += 16) {
    const Lane16 lane = load_word<Lane16>(data + at) ^ lane_key;
    seen |= lane;
    store_word(data + at, lane);
  }
  store_word(data + length - 16, tail);
  return ((seen[0] | seen[1]) & kHighBits) != 0;
}

template <typename Word>
inline bool unmask_pair(uint8_t* data, uint32_t length, uint32_t key) noexcept {
  const Word tail = load_word<Word>(data + length - sizeof(Word)) ^ static_cast<Word>(spread(rotate_mask(key, length)));
  const Word head = load_word<Word>(data) ^ static_cast<Word>(spread(key));
  store_word(data, head);
  store_word(data + length - sizeof(Word), tail);
  return ((head | tail) & static_cast<Word>(kHighBits)) != 0;
}

inline bool unmask_bytes(uint8_t* data, uint32_t length, uint32_t key) noexcept {
  uint32_t seen = 0;
  for (uint32_t at = 0; at < length; ++at) {
    data[at] = static_cast<uint8_t>(data[at] ^ (key >> (8 * at)));
    seen |= data[at];
  }
  return (seen & 0x80u) != 0;
}

}  // namespace detail

// Above this a wider vector unit pays for asking whether there is one.
inline constexpr uint32_t kUnmaskInline = 128;

bool unmask_long(uint8_t* data, uint32_t length, uint32_t key) noexcept;

// Undoes the mask and says whether any byte of the result lies outside ASCII: text that is all ASCII needs no second look.
inline bool unmask(uint8_t* data, uint32_t length, uint32_t key) noexcept {
  if (length > kUnmaskInline) return unmask_long(data, length, key);
  if (length >= 16) return detail::unmask_lanes(data, length, key);
  if (length >= 8) return detail::unmask_pair<uint64_t>(data, length, key);
  if (length >= 4) return detail::unmask_pair<uint32_t>(data, length, key);
  return detail::unmask_bytes(data, length, key);
}

}  // namespace sluice::ws
