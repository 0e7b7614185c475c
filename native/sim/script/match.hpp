#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sim/script/encode.hpp"
#include "sim/script/script.hpp"

namespace sluice::sim::script {

// A frame of the stack's, with what was known of its connection when it came.
struct Captured {
  uint64_t time_us = 0;
  std::vector<uint8_t> bytes;
  uint32_t connection = 0;  // 0: of none
  ConnectionState state;
};

// Empty where the frame is what was expected; otherwise what differs.
std::string mismatch(const Packet& expected, uint32_t connection, const Link& link, const Captured& captured);

// The frame in the language of the scripts.
std::string frame_text(const Captured& captured);

}  // namespace sluice::sim::script
