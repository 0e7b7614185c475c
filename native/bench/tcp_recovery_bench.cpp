#include <benchmark/benchmark.h>

#include <algorithm>
#include <ctime>
#include <vector>

#include "bench/tcp_world.hpp"

// What an acknowledgement costs while a large window is recovered from losses: segments in flight, some of them lost, and for each that
// arrives an acknowledgement with the three blocks that changed last (RFC 2018 §4). It must not grow with the window.

namespace {

using namespace sluice;
using bench::TcpWorld;
using Said = TcpWorld::Said;

constexpr uint32_t kSegment = 1448;
constexpr uint16_t kWindow = 65'535;
constexpr uint32_t kRoundsMax = 1000;  // slow start takes ten; the rest is for what follows it

double cpu_seconds() {
  timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

// One peer with `segments` in flight to it; returns the number of the first.
uint32_t fill(TcpWorld& world, uint32_t segments) {
  world.arrive({{0, 0, 0, wire::kSyn, 0}});
  uint32_t acked = world.initial(0) + 1;
  world.arrive({{0, 1, acked, wire::kAck, 0, kWindow}});
  for (uint32_t rounds = 0;; ++rounds) {
    SLUICE_ASSERT(rounds < kRoundsMax);
    // As much as the connection takes: what is written in one round bounds what is in flight.
    for (const uint64_t refused = world.refused; world.refused == refused;) world.write_to(0, 1u << 20);
    world.driver().flush();
    tcp::ConnectionInfo info;
    SLUICE_ASSERT(world.driver().describe(0, info));
    if (info.in_flight >= segments * kSegment) return acked;
    // Each segment in its turn, as slow start wants it.
    for (uint32_t left = info.in_flight; left != 0;) {
      const uint32_t step = std::min(left, kSegment);
      acked += step;
      left -= step;
      world.arrive({{0, 1, acked, wire::kAck, 0, kWindow}});
    }
    world.clock_us += 1000;
  }
}

// Every `state.range(1)`th segment is lost.
void recover(benchmark::State& state) {
  const auto segments = static_cast<uint32_t>(state.range(0));
  const auto every = static_cast<uint32_t>(state.range(1));
  uint64_t acknowledged = 0;
  for (auto _ : state) {
    TcpWorld world(4);
    world.clock_us = 1'000'000'000;
    world.window_shift = 7;
    const uint32_t first = fill(world, segments);
    world.clock_us += 1000;
    std::vector<wire::SackBlock> blocks;
    const double before = cpu_seconds();
    for (uint32_t i = 0; i < segments; ++i) {
      if (i % every == 0) continue;
      const uint32_t begin = first + i * kSegment;
      if (!blocks.empty() && blocks.front().end == begin) {
        blocks.front().end += kSegment;
      } else {
        blocks.insert(blocks.begin(), {begin, begin + kSegment});
        if (blocks.size() > 3) blocks.pop_back();
      }
      world.arrive({0, 1, first, wire::kAck, 0, kWindow}, blocks.data(), static_cast<uint32_t>(blocks.size()));
      world.clock_us += 1;
      ++acknowledged;
    }
    state.SetIterationTime(cpu_seconds() - before);
    SLUICE_ASSERT(world.driver().tcp_counters().fast_recoveries == 1);
  }
  state.counters["ns_per_ack"] =
      benchmark::Counter(static_cast<double>(acknowledged) / 1e9, benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}
BENCHMARK(recover)
    ->Args({100, 10})->Args({1000, 10})->Args({2500, 10})->Args({2500, 2500})
    ->Iterations(5)->UseManualTime()->Unit(benchmark::kMillisecond);

}  // namespace
