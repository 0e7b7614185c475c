#pragma once

#include <cstdint>
#include <string_view>

// RFC 3629 by decoding: slow, written from the definition and not from the automaton it checks.

namespace sluice::ws::sim {

enum class Utf8Verdict : uint8_t { kWhole, kPrefix, kInvalid };

// Can this lead of `have` bytes of a sequence of `size` still become a legal code point?
inline bool completable(uint32_t point, uint32_t have, uint32_t size) {
  const uint32_t open_bits = 6 * (size - have);
  const uint32_t lowest = point << open_bits;
  const uint32_t highest = lowest | ((1u << open_bits) - 1);
  const uint32_t least = size == 2 ? 0x80 : size == 3 ? 0x800 : 0x10000;
  if (highest < least || lowest > 0x10ffff) return false;
  return lowest < 0xd800 || highest > 0xdfff;
}

inline Utf8Verdict utf8_oracle(std::string_view text) {
  for (size_t at = 0; at < text.size();) {
    const auto lead = static_cast<uint8_t>(text[at++]);
    if (lead < 0x80) continue;
    const uint32_t size = lead >= 0xf8 ? 0 : lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 0;
    if (size == 0) return Utf8Verdict::kInvalid;
    uint32_t point = lead & (0x7fu >> size);
    if (!completable(point, 1, size)) return Utf8Verdict::kInvalid;
    for (uint32_t have = 1; have < size; ++have) {
      if (at == text.size()) return Utf8Verdict::kPrefix;
      const auto next = static_cast<uint8_t>(text[at++]);
      if ((next & 0xc0) != 0x80) return Utf8Verdict::kInvalid;
      point = (point << 6) | (next & 0x3fu);
      if (!completable(point, have + 1, size)) return Utf8Verdict::kInvalid;
    }
  }
  return Utf8Verdict::kWhole;
}

}  // namespace sluice::ws::sim
