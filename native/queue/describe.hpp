#pragma once

#include <cstdint>
#include <vector>

namespace sluice::queue {

// Every constant of the layout that the control plane needs, by the name that src/engine/layout.ts gives it.
struct LayoutConstant {
  const char* group;
  const char* name;
  uint64_t value;
};

std::vector<LayoutConstant> describe_layout();

}  // namespace sluice::queue
