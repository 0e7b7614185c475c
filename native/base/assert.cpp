#include "base/assert.hpp"

#include <cstdio>
#include <cstdlib>

namespace sluice {

void assert_failed(const char* expression, const char* file, int line) noexcept {
  std::fprintf(stderr, "sluice: invariant broken: %s (%s:%d)\n", expression, file, line);
  std::abort();
}

}  // namespace sluice
