#pragma once

#include <atomic>
#include <cstdint>

// Counters of one core, in the region: written by that core alone, read by anybody at any time.

namespace sluice::queue {

#define SLUICE_COUNTERS(X)      \
  X(connections_open)           \
  X(connections_accepted)       \
  X(connections_refused)        \
  X(connections_closed)         \
  X(handshakes)                 \
  X(handshakes_refused)         \
  X(health_requests)            \
  X(messages_in)                \
  X(messages_out)               \
  X(payload_bytes_in)           \
  X(payload_bytes_out)          \
  X(bytes_received)             \
  X(bytes_sent)                 \
  X(receives)                   \
  X(sends)                      \
  X(sends_short)                \
  X(system_calls)               \
  X(accept_paused)              \
  X(receive_exhausted)          \
  X(publishes)                  \
  X(publishes_replayed)         \
  X(deliveries)                 \
  X(subscriptions)              \
  X(channels)                   \
  X(lagging)                    \
  X(heartbeats_sent)            \
  X(heartbeats_missed)          \
  X(pings_in)                   \
  X(pongs_in)                   \
  X(event_ring_full)            \
  X(stalled_connections)        \
  X(protocol_errors)            \
  X(closed_upgrade_timeout)     \
  X(closed_hello_timeout)       \
  X(closed_close_timeout)       \
  X(closed_send_overflow)       \
  X(dropped_assembly_exhausted) \
  X(commands_stale)             \
  X(commands_invalid)           \
  X(turns)                      \
  X(send_queue_bytes)           \
  X(congested)                  \
  X(assembly_bytes)             \
  X(receive_blocks_held)        \
  X(memory_rows_bytes)          \
  X(memory_driver_bytes)        \
  X(memory_hub_bytes)           \
  X(memory_send_queue_bytes)    \
  X(memory_handover_bytes)      \
  X(detached)                   \
  X(upgrades_held)              \
  X(upgrades_unattended)        \
  X(takeovers)                  \
  X(takeovers_planned)          \
  X(takeover_pause_us)          \
  X(takeover_pause_10ms)        \
  X(takeover_pause_50ms)        \
  X(takeover_pause_100ms)       \
  X(takeover_pause_200ms)       \
  X(takeover_pause_500ms)       \
  X(takeover_pause_1s)          \
  X(takeover_pause_5s)          \
  X(standbys)                   \
  X(owners_corrupt)

enum class Counter : uint32_t {
#define SLUICE_COUNTER_ENUM(name) name,
  SLUICE_COUNTERS(SLUICE_COUNTER_ENUM)
#undef SLUICE_COUNTER_ENUM
      count_
};

inline constexpr uint32_t kCounterCount = static_cast<uint32_t>(Counter::count_);
inline constexpr uint32_t kCounterSlots = 256;
// From here on the counters of the device that a core polls, named by who has one (core/device_counters.hpp).
inline constexpr uint32_t kDeviceCounterSlot = 96;
static_assert(kCounterCount <= kDeviceCounterSlot && kDeviceCounterSlot < kCounterSlots);

// Relaxed everywhere: each counter stands alone and has one writer; a reader wants a recent value, not an order.
class Counters {
 public:
  explicit Counters(void* memory) noexcept : slots_(static_cast<std::atomic<uint64_t>*>(memory)) {}

  void add(Counter counter, uint64_t amount = 1) noexcept {
    auto& slot = slots_[static_cast<uint32_t>(counter)];
    slot.store(slot.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
  }
  void subtract(Counter counter, uint64_t amount = 1) noexcept { add(counter, 0 - amount); }
  void set(Counter counter, uint64_t value) noexcept { set_slot(static_cast<uint32_t>(counter), value); }
  void set_slot(uint32_t slot, uint64_t value) noexcept { slots_[slot].store(value, std::memory_order_relaxed); }
  uint64_t get(Counter counter) const noexcept {
    return slots_[static_cast<uint32_t>(counter)].load(std::memory_order_relaxed);
  }

 private:
  std::atomic<uint64_t>* slots_;
};
static_assert(sizeof(std::atomic<uint64_t>) == 8 && std::atomic<uint64_t>::is_always_lock_free);

}  // namespace sluice::queue
