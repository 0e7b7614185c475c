#include "bench/pace.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "bench/client.hpp"

namespace sluice::load {

namespace {

constexpr int kRounds = 5'000;
constexpr int kTries = 5;
constexpr useconds_t kEveryUs = 100'000;

// Four sums at a time: as many as a core has ports for keep them all busy, and only that shows who else uses them. One chain of results
// that wait for each other takes as long beside another thread as alone.
void work() noexcept {
  uint64_t a = 1, b = 2, c = 3, d = 4, e = 5, f = 6, g = 7, h = 8;
  for (uint64_t i = 0; i < kRounds; ++i) {
    a += b ^ i;
    b += i;
    c += d ^ i;
    d ^= i;
    e += f ^ i;
    f += i;
    g += h ^ i;
    h -= i;
    asm volatile("" : "+r"(a), "+r"(b), "+r"(c), "+r"(d), "+r"(e), "+r"(f), "+r"(g), "+r"(h));
  }
}

uint64_t shortest_ns() noexcept {
  uint64_t shortest = UINT64_MAX;
  for (int i = 0; i < kTries; ++i) {
    uint64_t from = monotonic_ns();
    work();
    shortest = std::min(shortest, monotonic_ns() - from);
  }
  return shortest;
}

}  // namespace

int watch_pace(const char* seconds) {
  char* rest = nullptr;
  double span = std::strtod(seconds, &rest);
  if (*rest != '\0' || !(span > 0 && span < 1e6)) {
    std::fprintf(stderr, "sluice-load pace: for how many seconds? %s is no number above 0\n", seconds);
    return 2;
  }
  uint64_t end = monotonic_ns() + static_cast<uint64_t>(span * 1e9);
  while (monotonic_ns() < end) {
    std::printf("{\"event\":\"pace\",\"us\":%.3f}\n", static_cast<double>(shortest_ns()) / 1000);
    if (std::fflush(stdout) != 0) return 1;
    usleep(kEveryUs);
  }
  return 0;
}

}  // namespace sluice::load
