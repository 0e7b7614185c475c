#include <benchmark/benchmark.h>

#include <ctime>

#include "base/prng.hpp"
#include "bench/tcp_world.hpp"

// The stack alone: segments in memory in, segments in memory out. An echo is a message of 64 bytes that arrives at a random connection,
// goes to the application and comes back, and the acknowledgement of that, which arrives a few bursts later. Preparing what arrives
// is not measured; writing its header and payload into a packet, as a NIC would, is.

namespace {

using namespace sluice;
using bench::TcpWorld;
using Said = TcpWorld::Said;

double cpu_seconds() {
  timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

void open_all(TcpWorld& world, uint32_t count) {
  std::vector<Said> said;
  for (uint32_t from = 0; from < count; from += 4096) {
    const uint32_t to = std::min(count, from + 4096);
    said.clear();
    for (uint32_t peer = from; peer < to; ++peer) said.push_back({peer, peer, 0, wire::kSyn, 0});
    world.arrive(said);
    said.clear();
    for (uint32_t peer = from; peer < to; ++peer) said.push_back({peer, peer + 1, world.initial(peer) + 1, wire::kAck, 0});
    world.arrive(said);
  }
}

void echo(benchmark::State& state) {
  const auto count = static_cast<uint32_t>(state.range(0));
  TcpWorld world(count);
  world.clock_us = 1'000'000'000;
  open_all(world, count);
  SLUICE_ASSERT(world.driver().gauges().connections == count);
  std::vector<uint32_t> rounds(count);
  Prng random(42);
  constexpr uint32_t kBatch = 8192;
  constexpr uint32_t kBehind = 256;  // messages between an echo and its acknowledgement
  std::vector<Said> said;
  std::vector<uint32_t> peers(kBatch);
  for (auto _ : state) {
    said.clear();
    for (uint32_t i = 0; i < kBatch + kBehind; ++i) {
      if (i < kBatch) {
        const uint32_t peer = peers[i] = random.below(count);
        const uint32_t done = rounds[peer]++ * TcpWorld::kMessage;
        said.push_back({peer, peer + 1 + done, world.initial(peer) + 1 + done, wire::kAck | wire::kPsh, TcpWorld::kMessage});
      }
      if (i < kBehind) continue;
      const uint32_t peer = peers[i - kBehind];
      const uint32_t done = rounds[peer] * TcpWorld::kMessage;
      said.push_back({peer, peer + 1 + done, world.initial(peer) + 1 + done, wire::kAck, 0});
    }
    const double before = cpu_seconds();
    world.arrive(said);
    state.SetIterationTime(cpu_seconds() - before);
    world.clock_us += 5'000;
  }
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations()) * kBatch);
  state.counters["ns_per_echo"] =
      benchmark::Counter(static_cast<double>(state.iterations()) * kBatch / 1e9, benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
  state.counters["retransmits"] = static_cast<double>(world.driver().tcp_counters().retransmits);
}
BENCHMARK(echo)->Arg(10'000)->Arg(100'000)->Arg(1'000'000)->UseManualTime()->Unit(benchmark::kMillisecond);

// SYN, ACK, FIN and the last ACK of short connections that the peer closes; the application closes when it hears of that.
void open_and_close(benchmark::State& state) {
  constexpr uint32_t kBatch = 8192;
  TcpWorld world(1u << 20);
  world.clock_us = 1'000'000'000;
  uint32_t next = 0;
  std::vector<Said> said;
  for (auto _ : state) {
    const uint32_t from = next;
    next = (next + kBatch) & ((1u << 20) - 1);
    double spent = 0;
    const auto run = [&](uint32_t seq, uint32_t ack, uint8_t flags) {
      said.clear();
      for (uint32_t peer = from; peer < from + kBatch; ++peer) {
        said.push_back({peer, peer + seq, flags == wire::kSyn ? 0 : world.initial(peer) + ack, flags, 0});
      }
      const double before = cpu_seconds();
      world.arrive(said);
      spent += cpu_seconds() - before;
    };
    run(0, 0, wire::kSyn);
    run(1, 1, wire::kAck);
    run(1, 1, wire::kAck | wire::kFin);
    run(2, 2, wire::kAck);
    state.SetIterationTime(spent);
    world.clock_us += 5'000;
  }
  SLUICE_ASSERT(world.driver().gauges().connections == 0);
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations()) * kBatch);
}
BENCHMARK(open_and_close)->UseManualTime()->Unit(benchmark::kMillisecond);

}  // namespace
