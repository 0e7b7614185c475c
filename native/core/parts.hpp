#pragma once

#include <cstdint>
#include <memory>

#include "base/block_pool.hpp"
#include "base/buddy.hpp"
#include "base/lazy_array.hpp"
#include "base/stream.hpp"
#include "core/connection.hpp"
#include "core/event_writer.hpp"
#include "core/handover.hpp"
#include "core/options.hpp"
#include "core/outbox.hpp"
#include "hub/hub.hpp"
#include "queue/counters.hpp"
#include "queue/region.hpp"

namespace sluice::core {

// What the roles of one core work on together. One thread owns all of it.
struct Parts {
  Parts(queue::Region& shared, uint32_t index, const CoreOptions& limits, Outbox::Listener& listener);

  queue::Region& region;
  const uint32_t core;
  const CoreOptions options;
  queue::Counters counters;
  // Not in the region: a peer that writes there at random must not reach what the core relies on.
  LazyArray<ConnectionRow> rows;
  ConnectionTable table;
  BlockPool blocks;
  Buddy assembly;
  EventWriter events;
  Outbox outbox;
  hub::Hub hub;
  Handover handover;
  StreamDriver* driver = nullptr;

  ws::HealthState health = ws::HealthState::kServing;
  bool attached = true;  // there is a control plane
  ws::HealthState health_now() const noexcept { return attached ? health : ws::HealthState::kUnattended; }
  uint32_t retry_after_s = 5;
  uint64_t now_us = 0;
  uint16_t tick_now = 0;
  void set_now(uint64_t us) noexcept {
    now_us = us;
    tick_now = tick_at(us);
  }
  uint64_t messages_out = 0;

  // Coarse time for heartbeats: sixteen ticks an interval, so that differences of 16 bits never wrap in a connection's silence.
  static constexpr uint32_t kTicksPerHeartbeat = 16;
  uint16_t tick() const noexcept { return tick_now; }
  uint16_t tick_at(uint64_t at_us) const noexcept {
    return options.heartbeat_ms == 0 ? 0 : static_cast<uint16_t>(at_us * kTicksPerHeartbeat / (options.heartbeat_ms * 1000ull));
  }

  // Gives a piece of the assembly window back and forgets it.
  void free_piece(uint32_t& address) noexcept {
    if (address == 0) return;
    assembly.free(address - region.address_of(assembly.data(0)));
    address = 0;
  }
  // Address of a piece of at least `bytes`, or 0.
  uint32_t allocate_piece(uint32_t bytes) noexcept {
    const uint32_t piece = assembly.allocate(bytes);
    return piece == Buddy::kNone ? 0 : region.address_of(assembly.data(piece));
  }
  uint32_t piece_capacity(uint32_t address) const noexcept {
    return assembly.capacity(address - region.address_of(assembly.data(0)));
  }
};

}  // namespace sluice::core
