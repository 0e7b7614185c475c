#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "wiregen/bridge.hpp"

namespace sluice::wiregen {

struct Options {
  std::string scenario;            // a file, or - for standard input
  std::string tap;                 // name of a TAP device
  std::string eal;                 // arguments of DPDK's EAL, one string
  std::string port;                // of those that EAL has; empty: the first
  uint32_t packets = 65'536;       // reserved for the DPDK port
  std::string bridge_a;            // names of the TAP devices that --bridge joins; empty: it plays a scenario
  std::string bridge_b;
  BridgeOptions bridge;
  std::vector<int> server_pids;
  double deadline_s = 0;           // 0: none
  uint64_t seed = 0;               // 0: by the clock
  int cpu = -1;
  bool json = false;
  bool quiet = false;
  bool check = false;              // only look whether the scenario can be read
  std::string mistake;             // in a value that says better itself what is wrong with it
};

// Returns the mistake, or nothing.
std::string parse_options(int argc, char** argv, Options& out);
const char* usage() noexcept;

}  // namespace sluice::wiregen
