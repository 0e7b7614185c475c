#pragma once

#include <cstdio>

#include "bench/json.hpp"

namespace sluice::load {

// One line of JSON on stdout for whoever drives this program; the result is the last of them.
inline void print_event(const JsonObject& event) {
  std::printf("%s\n", event.text().c_str());
  std::fflush(stdout);
}

}  // namespace sluice::load
