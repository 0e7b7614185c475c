#pragma once

#include <cstdint>

#include "base/assert.hpp"
#include "wiregen/client.hpp"

namespace sluice::wiregen {

// What a client may have in its queue: sent and not acknowledged, or waiting for the peer's window.
enum class ItemKind : uint8_t {
  kUpgrade,
  kHello,
  kSubscribe,
  kMessage,    // the phase's: MessagePlan says what it looks like
  kHeartbeat,
  kPing,
  kPong,       // empty
  kPongData,   // with the payload that came with the ping
  kClose,
  kBye,
  kFin,        // no bytes, one sequence number
};

// The queue is a few runs of equal items, each kind and count in sixteen bits.
class SendQueue {
 public:
  static constexpr uint32_t kMaxRun = 4095;

  static ItemKind kind(uint16_t run) noexcept { return static_cast<ItemKind>(run >> 12); }
  static uint32_t count(uint16_t run) noexcept { return run & 0xfffu; }

  // False: no room; the caller tries again when something was acknowledged.
  static bool push(Client& client, ItemKind what) noexcept {
    const uint32_t used = client.runs_used();
    if (used > 0) {
      uint16_t& last = client.runs[used - 1];
      if (kind(last) == what && count(last) < kMaxRun) {
        ++last;
        return true;
      }
    }
    if (used == Client::kRuns) return false;
    client.runs[used] = static_cast<uint16_t>(static_cast<uint16_t>(what) << 12 | 1);
    client.runs_used(used + 1);
    return true;
  }

  static bool empty(const Client& client) noexcept { return client.runs_used() == 0; }

  // Takes `items` off the first run.
  static void pop(Client& client, uint32_t items) noexcept {
    const uint32_t used = client.runs_used();
    SLUICE_ASSERT(used > 0 && items <= count(client.runs[0]));
    client.runs[0] = static_cast<uint16_t>(client.runs[0] - items);
    if (count(client.runs[0]) > 0) return;
    for (uint32_t i = 1; i < used; ++i) client.runs[i - 1] = client.runs[i];
    client.runs_used(used - 1);
  }

  static void clear(Client& client) noexcept { client.runs_used(0); }

  // Messages that stand in run `from` and behind: the number of the first of them is client.sent + 1 less this.
  static uint32_t messages_from(const Client& client, uint32_t from) noexcept {
    uint32_t messages = 0;
    for (uint32_t i = from; i < client.runs_used(); ++i) {
      if (kind(client.runs[i]) == ItemKind::kMessage) messages += count(client.runs[i]);
    }
    return messages;
  }
};

}  // namespace sluice::wiregen
