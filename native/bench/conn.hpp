#pragma once

#include <cstdint>
#include <vector>

namespace sluice::load {

enum class ConnState : uint8_t {
  kUnused,
  kConnecting,  // SYN sent
  kHandshake,   // upgrade request sent
  kGreeting,    // sluice.v1: hello sent, welcome not yet here
  kOpen,
  kClosing,     // close frame sent
  kClosed,
};

// One client connection. The two vectors hold bytes only when a read ended within a frame or a send was cut short, and
// keep their capacity, so a running test does not allocate.
struct Conn {
  int fd = -1;
  uint32_t index = 0;
  uint32_t role = 0;        // the scenario's own
  ConnState state = ConnState::kUnused;
  bool wants_write = false; // EPOLLOUT is armed
  bool raw = false;         // the scenario drives the socket by itself (slowloris)
  uint64_t nonce = 0;       // of this handshake
  uint64_t started_ns = 0;  // when connect() was called
  uint64_t sent = 0;        // messages
  uint64_t received = 0;
  std::vector<uint8_t> in;  // the beginning of a frame that is not here in whole
  std::vector<uint8_t> out; // not yet sent
};

}  // namespace sluice::load
