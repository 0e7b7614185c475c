#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

// How a fuzz input says in what pieces a stream arrives. It starts with an option byte and a count of sizes (0 to 15), then the sizes;
// the rest is the stream. Pieces take the sizes in turn, each at least 1; without sizes the stream comes byte by byte.

namespace sluice::ws::fuzz {

struct Delivery {
  uint8_t options = 0;
  std::string_view stream;
  std::vector<size_t> ends;  // where each piece ends in the stream; the last one is its size
};

inline Delivery read_delivery(const uint8_t* data, size_t size) {
  Delivery out;
  if (size < 2) return out;
  out.options = data[0];
  const size_t count = data[1] % 16;
  if (size < 2 + count) return out;
  const uint8_t* const sizes = data + 2;
  out.stream = {reinterpret_cast<const char*>(sizes + count), size - 2 - count};
  size_t end = 0;
  for (size_t turn = 0; end < out.stream.size(); ++turn) {
    end += count == 0 ? 1 : size_t{1} + sizes[turn % count];
    if (end > out.stream.size()) end = out.stream.size();
    out.ends.push_back(end);
  }
  return out;
}

}  // namespace sluice::ws::fuzz
