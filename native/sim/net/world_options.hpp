#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sim/net/conversation.hpp"
#include "sim/net/host.hpp"

namespace sluice::sim {

// What can be switched on and off in a run. In each some classes of faults are off altogether (swarm testing): a fault that is always
// there hides what only happens without it.
struct WorldOptions {
  uint64_t seed = 0;
  HostOptions hosts[2];
  nic::SimPathOptions paths[2];       // from host 0, from host 1
  uint64_t heal_us = 0;               // when faults end
  uint32_t memory_limit[2] = {0, 0};  // packets left under pressure; 0: no pressure
  bool link_flaps = false;
  std::vector<Conversation> conversations;

  // What was chosen, in a line or two.
  std::string text() const;
};

WorldOptions choose_world(uint64_t seed);

}  // namespace sluice::sim
