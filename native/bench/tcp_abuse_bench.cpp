#include <benchmark/benchmark.h>

#include <chrono>

#include "bench/tcp_crowd.hpp"
#include "core/options.hpp"
#include "core/turn_budget.hpp"

// What abuse costs in memory: the figures of docs/TCP.md. "accounted" is what the stack says that it holds, "resident" what the process
// grew by, both for each; one iteration each.

namespace {

using namespace sluice;
using bench::TcpWorld;
using bench::from_each;
using bench::inject_blindly;
using bench::open_crowd;
using bench::resident_bytes;

constexpr uint32_t kMillion = 1'000'000;
constexpr uint32_t kFloodPeers = 1u << 18;

void report(benchmark::State& state, const TcpWorld& world, uint64_t resident, uint32_t count) {
  state.counters["resident_each"] = static_cast<double>(resident) / count;
  state.counters["packets_held"] = static_cast<double>(world.packets_held());
}

// A million SYNs that nobody follows up, where there is room for them; and a million more, which cookies answer.
void half_open(benchmark::State& state) {
  for (auto _ : state) {
    tcp::TcpOptions options = TcpWorld::options_for(1'024);
    options.half_open_max = kMillion;
    TcpWorld world(options, 2 * kMillion);
    world.clock_us = 1'000'000'000;
    const uint64_t before = resident_bytes();
    from_each(world, 0, kMillion, {0, 0, wire::kSyn});
    const uint64_t full = resident_bytes();
    SLUICE_ASSERT(world.driver().gauges().half_open == kMillion);
    from_each(world, kMillion, 2 * kMillion, {0, 0, wire::kSyn});
    report(state, world, full - before, kMillion);
    state.counters["beyond_each"] = static_cast<double>(resident_bytes() - full) / kMillion;
    state.counters["cookies"] = static_cast<double>(world.driver().tcp_counters().syn_cookies_sent);
    // An honest client among them.
    from_each(world, kMillion, kMillion + 1, {1, 1, wire::kAck | wire::kPsh, TcpWorld::kMessage});
    SLUICE_ASSERT(world.driver().gauges().connections == 1);
  }
}

// The stack closes first: a million records; a hundred thousand more take the places of the oldest.
void time_wait(benchmark::State& state) {
  constexpr uint32_t kAtOnce = 50'000;
  constexpr uint32_t kMore = 100'000;
  for (auto _ : state) {
    tcp::TcpOptions options = TcpWorld::options_for(kAtOnce);
    options.orphans_max = kAtOnce;
    options.time_wait_max = kMillion;
    TcpWorld world(options, kMillion + kMore);
    world.clock_us = 1'000'000'000;
    world.keep_streams = true;
    uint64_t before = 0;
    uint64_t full = 0;
    for (uint32_t from = 0; from < kMillion + kMore; from += kAtOnce) {
      open_crowd(world, from, from + kAtOnce);
      world.close_all();
      from_each(world, from, from + kAtOnce, {1, 2, wire::kAck | wire::kFin});
      if (from == 0) before = resident_bytes();
      if (from + kAtOnce == kMillion) full = resident_bytes();
    }
    SLUICE_ASSERT(world.driver().gauges().time_wait == kMillion && world.driver().gauges().connections == 0);
    report(state, world, full - before, kMillion - kAtOnce);
    state.counters["beyond_each"] = static_cast<double>(resident_bytes() - full) / kMore;
    state.counters["evicted"] = static_cast<double>(world.driver().tcp_counters().time_wait_evicted);
  }
}

// A hundred thousand peers that open, take nothing and are written a quarter of a megabyte each; and one that reads.
void zero_window(benchmark::State& state) {
  constexpr uint32_t kPeers = 100'000;
  for (auto _ : state) {
    TcpWorld world(kPeers + 1);
    world.clock_us = 1'000'000'000;
    open_crowd(world, 0, kPeers, 0);
    open_crowd(world, kPeers, kPeers + 1);
    const uint64_t before = resident_bytes();
    for (StreamId id = 0; id < kPeers; ++id) world.write_to(id, 256u << 10);
    world.driver().flush();
    report(state, world, resident_bytes() - before, kPeers);
    state.counters["packets"] = world.pool().total_count();
    state.counters["accounted"] = static_cast<double>(world.driver().memory_fixed());
    const uint64_t sent = world.sent;
    from_each(world, kPeers, kPeers + 1, {1, 1, wire::kAck | wire::kPsh, TcpWorld::kMessage});
    SLUICE_ASSERT(world.sent > sent && world.driver().gauges().connections == kPeers + 1);
  }
}

// A million resets, SYNs and data segments with numbers that nobody was told, against ten thousand connections.
void blind_injection(benchmark::State& state) {
  constexpr uint32_t kPeers = 10'000;
  for (auto _ : state) {
    TcpWorld world(kPeers);
    world.clock_us = 1'000'000'000;
    open_crowd(world, 0, kPeers);
    inject_blindly(world, kPeers, kMillion);
    report(state, world, 0, 1);
    state.counters["closed"] = static_cast<double>(world.broken);
    SLUICE_ASSERT(world.broken == 0 && world.driver().gauges().connections == kPeers);
  }
}

// A SYN of a flood, answered by a cookie.
void syn_flood(benchmark::State& state) {
  TcpWorld world(TcpWorld::options_for(1'024), 2 * kFloodPeers);
  world.clock_us = 1'000'000'000;
  from_each(world, 0, kFloodPeers, {0, 0, wire::kSyn});
  for (auto _ : state) from_each(world, kFloodPeers, 2 * kFloodPeers, {0, 0, wire::kSyn});
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations()) * kFloodPeers);
}

// How long the echo of a message takes that stands in a device's ring behind as many SYNs as it holds.
void echo_behind_syns(benchmark::State& state) {
  constexpr uint32_t kRing = 1'024;
  TcpWorld world(TcpWorld::options_for(1'024), 2 * kFloodPeers);
  world.clock_us = 1'000'000'000;
  open_crowd(world, 0, 1);
  from_each(world, 1, kFloodPeers, {0, 0, wire::kSyn});
  std::vector<TcpWorld::Said> said;
  uint32_t peer = kFloodPeers;
  core::TurnBudget budget(core::CoreOptions{}.receive_budget);
  uint32_t sent = 1;
  for (auto _ : state) {
    said.clear();
    for (uint32_t i = 0; i < kRing; ++i, ++peer) {
      if (peer == 2 * kFloodPeers) peer = kFloodPeers;
      said.push_back({peer, peer, 0, wire::kSyn, 0});
    }
    said.push_back({0, sent, world.initial(0) + sent, wire::kAck | wire::kPsh, TcpWorld::kMessage});
    sent += TcpWorld::kMessage;
    world.announce(said);
    const uint64_t before = world.driver().tcp_counters().bytes_out;
    const auto begin = std::chrono::steady_clock::now();
    while (world.driver().tcp_counters().bytes_out == before) {
      budget.took(world.driver().poll(0, budget.next()));
      world.serve();
    }
    state.SetIterationTime(std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
    while (world.driver().poll(0, TcpWorld::kBurst) != 0) world.serve();
  }
}

BENCHMARK(syn_flood)->Unit(benchmark::kMillisecond);
BENCHMARK(echo_behind_syns)->UseManualTime()->Unit(benchmark::kMicrosecond);
BENCHMARK(half_open)->Iterations(1)->Unit(benchmark::kMillisecond);
BENCHMARK(time_wait)->Iterations(1)->Unit(benchmark::kMillisecond);
BENCHMARK(zero_window)->Iterations(1)->Unit(benchmark::kMillisecond);
BENCHMARK(blind_injection)->Iterations(1)->Unit(benchmark::kMillisecond);

}  // namespace
