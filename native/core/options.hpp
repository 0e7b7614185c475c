#pragma once

#include <cstdint>
#include <string>

#include "ws/upgrade.hpp"

namespace sluice::core {

enum class Protocol : uint8_t {
  kPlain,   // WebSocket messages, ping frames as heartbeat
  kSluice,  // sluice.v1: header lines, {"op":"hb"} as heartbeat, a deadline for `hello`
};

// What a connection may cost and how long it may take. Every limit has a counter (queue/counters.hpp).
struct CoreOptions {
  Protocol protocol = Protocol::kPlain;
  uint32_t max_message = 64u << 10;           // bytes; 1009 above
  uint32_t send_budget = 256u << 10;          // bytes queued for one connection before it lags and its reading pauses
  uint64_t send_queues_max = 0;               // of all together: beyond it whoever has something queued lags; 0: an eighth of the memory
  uint32_t upgrade_timeout_ms = 5'000;        // from accept to a whole request head; 408
  uint32_t hello_timeout_ms = 10'000;         // from the upgrade to admit(); 0: none; 4003
  uint32_t attach_wait_ms = 2'000;            // an upgrade waits this long for a control plane to attach; 503
  uint32_t close_timeout_ms = 5'000;          // from our close frame to the end of the stream
  uint32_t heartbeat_ms = 25'000;             // silence before a heartbeat; 0: none; 4002 after two missed
  uint32_t receive_budget = 256;              // receives a turn
  uint32_t command_budget = 16'384;           // commands a turn
  uint32_t pacing_us = 50;                    // longest wait that gathers more messages under pipelined load; 0: none
  ws::UpgradePolicy upgrade;
};

inline constexpr uint16_t kCloseHeartbeatMissed = 4002;
inline constexpr uint16_t kCloseNotAuthorised = 4003;
inline constexpr uint16_t kCloseSlowConsumer = 4009;

}  // namespace sluice::core
