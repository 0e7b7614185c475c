#pragma once

#include <cstdint>

#include "wiregen/client.hpp"

namespace sluice::wiregen {

// What the phase's messages are and when each is due. Senders are the clients 0, stride, 2 * stride, …; their messages take turns, so
// when message `number` of a client was due is arithmetic, and latency can be counted from there without keeping a time for each.
struct MessagePlan {
  enum class Shape : uint8_t { kEcho, kPublish };

  Shape shape = Shape::kEcho;
  bool text = false;
  uint32_t size = 64;      // echo: of the payload; publish: of the body
  uint32_t senders = 0;
  uint32_t stride = 1;
  uint32_t first_channel = 0;   // publish: messages take turns over these channels
  uint32_t channels = 1;
  uint32_t burst = 1;           // so many are due at the same moment
  uint64_t from_ns = 0;
  double interval_ns = 0;  // between two messages of any sender; 0: closed loop, nothing is due

  ClientId sender_of(uint64_t turn) const noexcept { return static_cast<ClientId>(turn % senders) * stride; }
  uint64_t due_ns(uint64_t turn) const noexcept {
    return from_ns + static_cast<uint64_t>(static_cast<double>(turn / burst * burst) * interval_ns);
  }
  // Numbers begin at 1.
  uint64_t turn_of(ClientId id, uint32_t number) const noexcept { return static_cast<uint64_t>(number - 1) * senders + id / stride; }
  uint32_t channel_of(ClientId id, uint32_t number) const noexcept {
    return first_channel + static_cast<uint32_t>(turn_of(id, number) % channels);
  }
};

}  // namespace sluice::wiregen
