#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace sluice::load {

struct Options {
  std::string scenario;
  std::string host = "127.0.0.1";  // numeric IPv4
  uint16_t port = 0;
  std::string path = "/";
  std::string subprotocol;  // "sluice.v1": each connection also says hello
  std::string token;        // hello's token

  uint32_t connections = 64;
  uint32_t depth = 1;
  uint32_t size = 64;
  double duration_s = 5;
  double warmup_s = 1;
  double rate = 0;          // messages (fan-out: ticks) a second over all connections; 0: closed loop
  uint32_t batch = 1;       // fan-out: messages a tick
  bool text = false;
  bool socket_io = false;   // connections speak Socket.IO: each message is the one argument of an event
  bool send_each = false;   // one system call a message, as simple load clients do; by default what is ready leaves together

  uint32_t channels = 1;    // pub
  uint32_t subscribers = 0; // pub
  std::string channel = "bench";

  std::vector<uint32_t> steps;  // idle: connection counts to stop at
  double hold_s = 5;            // idle, slow: how long to hold
  uint32_t interval_ms = 200;   // slowloris: between two bytes

  uint32_t open_burst = 128;  // handshakes in progress at a time
  double open_timeout_s = 30;
  double stall_s = 15;        // no reply for so long is a failure
  double deadline_s = 0;      // 0: follows from the scenario
  uint32_t sources = 0;       // source addresses 127.0.0.x; 0: as many as the connections need
  double spin_us = 0;         // poll without sleeping for so long before waiting
  int cpu = -1;
  std::vector<int> server_pids;
  bool json = false;
  bool quiet = false;
};

// False: `error` says which argument is wrong.
bool parse_options(int argc, char** argv, Options& out, std::string& error);
const char* usage_text() noexcept;

}  // namespace sluice::load
