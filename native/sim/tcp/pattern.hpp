#pragma once

#include <cstdint>
#include <string>

namespace sluice::tcp::sim {

// Bytes that look like noise and are the same for the same seed.
inline std::string pattern(size_t length, uint32_t seed = 1) {
  std::string out(length, '\0');
  for (char& c : out) {
    seed = seed * 1664525u + 1013904223u;
    c = static_cast<char>(seed >> 24);
  }
  return out;
}

// The byte at a position of the one stream that every connection sends: whatever arrives must be a beginning of it.
inline char byte_at(uint64_t position) { return static_cast<char>((position * 0x9e3779b97f4a7c15u) >> 56); }

inline std::string stretch(uint64_t position, size_t length) {
  std::string out(length, '\0');
  for (char& c : out) c = byte_at(position++);
  return out;
}

inline bool is_stretch(uint64_t position, const std::string& bytes) {
  for (const char c : bytes) {
    if (c != byte_at(position++)) return false;
  }
  return true;
}

}  // namespace sluice::tcp::sim
