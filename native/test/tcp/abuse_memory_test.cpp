#include <catch2/catch.hpp>

#include <cstdlib>
#include <string>

#include "bench/tcp_crowd.hpp"

using namespace sluice;
using bench::from_each;
using bench::open_crowd;
using bench::resident_bytes;
using bench::TcpWorld;

// What docs/TCP.md says of memory under abuse. SLUICE_ABUSE_PEERS=1000000 is the full size, at which the process is weighed as well: among
// fewer, what the tables take is lost in what else a process takes.

namespace {

constexpr uint32_t kFullSize = 1'000'000;

uint32_t peers() {
  const char* const said = std::getenv("SLUICE_ABUSE_PEERS");
  return said == nullptr ? 20'000 : static_cast<uint32_t>(std::stoul(said));
}

// Bytes a peer that the process grew by; without a meaning, and 0, below the full size.
double grown_each(uint64_t before, uint32_t count) {
  return count < kFullSize ? 0 : (static_cast<double>(resident_bytes()) - static_cast<double>(before)) / count;
}

}  // namespace

TEST_CASE("tcp: half-open connections take what was set aside for them, and those beyond take nothing", "[tcp][abuse]") {
  const uint32_t count = peers();
  tcp::TcpOptions options = TcpWorld::options_for(1'024);
  options.half_open_max = count;
  TcpWorld world(options, 2 * count);
  world.clock_us = 1'000'000'000;
  uint64_t before = resident_bytes();
  from_each(world, 0, count, {0, 0, wire::kSyn});
  CHECK(world.driver().gauges().half_open == count);
  CHECK(grown_each(before, count) <= 96);
  const uint64_t accounted = world.driver().memory_fixed();
  before = resident_bytes();
  from_each(world, count, 2 * count, {0, 0, wire::kSyn});
  CHECK(world.driver().gauges().half_open == count);
  CHECK(world.driver().tcp_counters().syn_cookies_sent == count);
  CHECK(world.driver().memory_fixed() == accounted);
  CHECK(grown_each(before, count) < 1);
  CHECK(world.packets_held() == 0);
  // Who was answered by a cookie opens all the same.
  from_each(world, count, count + 1, {1, 1, wire::kAck | wire::kPsh, TcpWorld::kMessage});
  CHECK(world.driver().gauges().connections == 1);
}

TEST_CASE("tcp: connections in TIME-WAIT take what was set aside for them, and the oldest make room", "[tcp][abuse]") {
  const uint32_t count = peers();
  const uint32_t at_once = count / 20;
  tcp::TcpOptions options = TcpWorld::options_for(at_once);
  options.orphans_max = at_once;
  options.time_wait_max = count;
  TcpWorld world(options, count + 2 * at_once);
  world.clock_us = 1'000'000'000;
  world.keep_streams = true;
  const auto open_and_close = [&](uint32_t from) {
    open_crowd(world, from, from + at_once);
    world.close_all();
    from_each(world, from, from + at_once, {1, 2, wire::kAck | wire::kFin});
  };
  open_and_close(0);
  uint64_t before = resident_bytes();
  for (uint32_t from = at_once; from < count; from += at_once) open_and_close(from);
  CHECK(world.driver().gauges().time_wait == count);
  CHECK(world.driver().gauges().connections == 0);
  CHECK(grown_each(before, count - at_once) <= 96);
  const uint64_t accounted = world.driver().memory_fixed();
  before = resident_bytes();
  open_and_close(count);
  open_and_close(count + at_once);
  CHECK(world.driver().gauges().time_wait == count);
  CHECK(world.driver().tcp_counters().time_wait_evicted == 2 * at_once);
  CHECK(world.driver().memory_fixed() == accounted);
  CHECK(grown_each(before, count) < 1);
  CHECK(world.packets_held() == 0);
}

TEST_CASE("tcp: a crowd of closed windows keeps half of the packets, and others are served", "[tcp][abuse]") {
  // A tenth of the other crowds: each is written a quarter of a megabyte.
  const uint32_t count = peers() / 10;
  TcpWorld world(count + 1);
  world.clock_us = 1'000'000'000;
  open_crowd(world, 0, count, 0);
  open_crowd(world, count, count + 1);
  const uint64_t idle = world.driver().memory_fixed();
  for (StreamId id = 0; id < count; ++id) world.write_to(id, 256u << 10);
  world.driver().flush();
  // The write that passes the half is taken whole: 64 KiB.
  const uint32_t a_write = (64u << 10) / 1'400 + 1;
  CHECK(world.packets_held() <= world.pool().total_count() / 2 + a_write);
  CHECK(world.driver().memory_fixed() <= idle + uint64_t{count} * 384);
  const uint64_t sent = world.sent;
  from_each(world, count, count + 1, {1, 1, wire::kAck | wire::kPsh, TcpWorld::kMessage});
  CHECK(world.sent > sent);
  // Their probes need no packet of their data, and as long as they answer none is given up.
  const uint32_t held = world.packets_held();
  world.clock_us += 5'000'000;
  for (int turn = 0; turn < 64; ++turn) world.driver().poll(0, TcpWorld::kBurst);
  CHECK(world.packets_held() <= held);
  CHECK(world.driver().gauges().connections == count + 1);
}

TEST_CASE("tcp: blind resets, SYNs and data close none of a crowd and are kept nowhere", "[tcp][abuse]") {
  const uint32_t segments = peers();
  const uint32_t count = segments / 100;
  TcpWorld world(count);
  world.clock_us = 1'000'000'000;
  open_crowd(world, 0, count);
  const uint64_t before = world.driver().memory_fixed();
  bench::inject_blindly(world, count, segments);
  CHECK(world.broken == 0);
  CHECK(world.driver().gauges().connections == count);
  CHECK(world.driver().memory_fixed() <= before + uint64_t{count} * 384);
}
