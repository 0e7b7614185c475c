#include <catch2/catch.hpp>

#include "sim/net/world.hpp"

namespace sluice::sim {
namespace {

#if defined(SLUICE_TSAN)
constexpr uint64_t kSeeds = 15;
#elif defined(SLUICE_ASAN)
constexpr uint64_t kSeeds = 40;
#else
constexpr uint64_t kSeeds = 300;
#endif

std::string report(const WorldResult& result) {
  std::string out;
  for (const Finding& finding : result.findings) out += "\n  " + finding.rule + ": " + finding.what;
  return out;
}

TEST_CASE("simulation: seeds", "[sim]") {
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    const WorldResult result = World(choose_world(seed)).run();
    INFO("scripts/sim 1 " << seed << " --verbose" << report(result));
    CHECK(result.good());
  }
}

TEST_CASE("simulation: a seed is the same run again, another is another", "[sim]") {
  const WorldResult first = World(choose_world(11)).run();
  const WorldResult again = World(choose_world(11)).run();
  const WorldResult other = World(choose_world(12)).run();
  CHECK(first.frames > 0);
  CHECK(first.trace_hash == again.trace_hash);
  CHECK(first.virtual_us == again.virtual_us);
  CHECK(first.trace_hash != other.trace_hash);
}

// Two hosts that lose a little, with everything negotiated, a small window at host 1 that a slow reader fills.
WorldOptions ordinary(Sabotage sabotage) {
  WorldOptions out = choose_world(1);
  out.heal_us = 20'000'000;
  out.memory_limit[0] = out.memory_limit[1] = 0;
  out.link_flaps = false;
  out.conversations.clear();
  for (uint32_t i = 0; i < 2; ++i) {
    HostOptions& host = out.hosts[i];
    host.nic = {};
    host.nic.capabilities.mac = {{2, 0, 0, 0, 0, static_cast<uint8_t>(1 + i)}};
    host.tcp = {};
    host.tcp.capacity = 64;
    host.tcp.time_wait_ms = 1'000;
    host.tcp.time_wait_max = 1'024;
    host.tcp.receive_window_initial = host.tcp.receive_window_max = 20'000;
    host.tcp.mss_max = 1'000;
    host.blocks = 256;
    host.faults = {};
    host.faults.seed = 7 + i;
    host.faults.rx.loss = 30'000;
    out.paths[i] = {.delay_ns = 2'000'000};
  }
  out.hosts[0].sabotage = sabotage;
  for (uint32_t i = 0; i < 4; ++i) {
    Conversation one;
    one.number = i;
    one.start_us = 10'000 * i;
    for (SidePlan& side : one.sides) {
      side.bytes = 150'000;
      side.chunk = 20'000;
      side.pause_share = 20'000;
      side.pause_us = 50'000;
    }
    out.conversations.push_back(one);
  }
  return out;
}

TEST_CASE("simulation: planted bugs are found by the checkers that are there for them", "[sim]") {
  const struct {
    Sabotage sabotage;
    const char* rule;
  } cases[] = {
      {Sabotage::kAckTooMuch, "ack"},
      {Sabotage::kAckBack, "ack-back"},
      {Sabotage::kBadChecksum, "checksum"},
      {Sabotage::kShrinkWindow, "window-shrunk"},
      {Sabotage::kIgnoreWindow, "window"},
      {Sabotage::kCorruptRetransmit, "retransmit-bytes"},
      {Sabotage::kSkipRetransmit, "error"},
      {Sabotage::kForgetFin, "convergence"},
      {Sabotage::kEarlyFin, "data-after-fin"},
      {Sabotage::kTimestampBack, "timestamps"},
      {Sabotage::kLieInSack, "sack"},
      {Sabotage::kLongSegment, "mss"},
      {Sabotage::kLeakPacket, "leak"},
      {Sabotage::kChangeDelivered, "bytes"},
      {Sabotage::kLoseData, "bytes"},
      {Sabotage::kDoubleData, "bytes"},
      {Sabotage::kSwapData, "bytes"},
      {Sabotage::kEarlyEnd, "end"},
      {Sabotage::kLoseEnd, "convergence"},
  };
  for (const auto& each : cases) {
    const WorldResult result = World(ordinary(each.sabotage)).run();
    INFO(sabotage_name(each.sabotage) << report(result));
    CHECK(result.has(each.rule));
  }
}

TEST_CASE("simulation: without a planted bug the same world is good", "[sim]") {
  const WorldResult result = World(ordinary(Sabotage::kNone)).run();
  INFO(report(result));
  CHECK(result.good());
  CHECK(result.bytes == 4 * 2 * 150'000);
}

}  // namespace
}  // namespace sluice::sim
