#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include "wiregen/client.hpp"

namespace sluice::wiregen {

// A coarse wheel over client numbers: one link a client, and a client is in at most one slot. It only promises to call not before the
// time asked for; the callee looks whether something is due and asks again. So the path of a message touches no list.
class TimerWheel {
 public:
  static constexpr uint32_t kTickMs = 10;
  static constexpr uint32_t kSlots = 2048;  // 20 s; what is further away is looked at once a turn

  TimerWheel() { slots_.fill(kNoClient); }

  static uint16_t tick_of(uint64_t now_ns) noexcept { return static_cast<uint16_t>(now_ns / (kTickMs * 1'000'000ull)); }

  void start(uint64_t now_ns) noexcept { current_ = now_ns / (kTickMs * 1'000'000ull); }

  void arm(Client* clients, ClientId id, uint32_t in_ms) noexcept {
    Client& client = clients[id];
    if (client.has(kInWheel)) return;
    const uint32_t ticks = std::clamp((in_ms + kTickMs - 1) / kTickMs, 1u, kSlots - 1);
    ClientId& head = slots_[(current_ + ticks) % kSlots];
    client.timer_next = head;
    client.set(kInWheel);
    head = id;
  }

  // Calls due(id) for each client of every slot that has passed: arm() may be called from there.
  template <typename Due>
  void advance(Client* clients, uint64_t now_ns, Due due) {
    const uint64_t target = now_ns / (kTickMs * 1'000'000ull);
    while (current_ < target) {
      ++current_;
      ClientId id = slots_[current_ % kSlots];
      slots_[current_ % kSlots] = kNoClient;
      while (id != kNoClient) {
        const ClientId next = clients[id].timer_next;
        if (next != kNoClient) __builtin_prefetch(&clients[next]);
        clients[id].clear(kInWheel);
        due(id);
        id = next;
      }
    }
  }

 private:
  std::array<ClientId, kSlots> slots_;
  uint64_t current_ = 0;
};

}  // namespace sluice::wiregen
