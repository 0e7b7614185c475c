#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/prng.hpp"
#include "base/stream.hpp"

namespace sluice::sim {

// How one side of a conversation ends it.
enum class Ending : uint8_t {
  kShutdown,  // FIN after its last byte, close when the other side's came
  kClose,     // close at once after its last byte, whatever the other side still sends
  kReset,     // gives up in the middle
};

// One side of what two applications say to each other. The first eight bytes of the opening side name the conversation.
struct SidePlan {
  uint64_t bytes = 0;        // that it writes, its name included
  uint64_t reset_after = 0;  // received bytes, with kReset
  uint32_t chunk = 1;        // most bytes of one write
  uint32_t think_us = 0;     // pause between writes, at most
  uint32_t pause_share = 0;  // chance, in millionths, of pausing its reading after each delivery
  uint32_t pause_us = 0;
  Ending ending = Ending::kShutdown;
};

struct Conversation {
  uint32_t number = 0;
  uint32_t opener = 0;  // host
  uint64_t start_us = 0;
  SidePlan sides[2];  // the opener's, the other's
};

inline constexpr uint32_t kNameBytes = 8;
inline constexpr uint32_t kNameMark = 0x51c0'ffee;

// The byte that side `side` of a conversation writes at an offset. Neighbours, streams and directions all differ.
inline uint8_t conversation_byte(uint32_t number, uint32_t side, uint64_t offset) noexcept {
  if (side == 0 && offset < kNameBytes) {
    const uint64_t name = static_cast<uint64_t>(kNameMark) << 32 | number;
    return static_cast<uint8_t>(name >> (8 * (7 - offset)));
  }
  uint64_t z = (static_cast<uint64_t>(number) * 2 + side) * 0x9e3779b97f4a7c15u + (offset >> 3) * 0xd1342543de82ef95u;
  z = (z ^ (z >> 32)) * 0xbf58476d1ce4e5b9u;
  z ^= z >> 29;
  return static_cast<uint8_t>(z >> (8 * (offset & 7)));
}

}  // namespace sluice::sim
