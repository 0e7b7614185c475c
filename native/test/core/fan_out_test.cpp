#include <algorithm>

#include "test/support/core_fixture.hpp"

namespace sluice::test {
namespace {

using queue::Counter;

// More than one turn serves.
constexpr uint32_t kCrowd = 2500;

queue::RegionOptions wide_region() {
  queue::RegionOptions options = small_region();
  options.connections_per_core = kCrowd + 1;
  options.event_records = 8192;
  options.command_records = 8192;
  return options;
}

struct Crowd {
  Crowd() : fixture(core::CoreOptions{}, wide_region()) {
    for (uint32_t i = 0; i < kCrowd; ++i) {
      peers.push_back(fixture.open());
      fixture.subscribe(peers.back(), 1);
    }
    other = fixture.open();
    fixture.turn();
  }

  uint32_t served() const {
    const auto has_one = [](const Peer& peer) { return !server_frames(peer->written).empty(); };
    return static_cast<uint32_t>(std::count_if(peers.begin(), peers.end(), has_one));
  }

  CoreFixture fixture;
  std::vector<Peer> peers;
  Peer other;
};

TEST_CASE("core: a large fan-out takes several turns, in which others are served", "[core][fanout]") {
  Crowd crowd;
  CoreFixture& fixture = crowd.fixture;
  fixture.publish(1, 1, server_text("to all"), 0);
  fixture.turn();
  const uint32_t first = crowd.served();
  CHECK(first > 0);
  REQUIRE(first < kCrowd);
  fixture.send(crowd.other, "to one");
  fixture.turn();
  CHECK(server_frames(crowd.other->written) == std::vector<ServerFrame>{{1, "to one"}});
  REQUIRE(crowd.served() < kCrowd);
  REQUIRE(fixture.turn_until([&] { return crowd.served() == kCrowd; }));
  for (const Peer& peer : crowd.peers) CHECK(server_frames(peer->written) == std::vector<ServerFrame>{{1, "to all"}});
  CHECK(fixture.counter(Counter::deliveries) == kCrowd);
}

TEST_CASE("core: the bytes of a fan-out are not given back before its last subscriber", "[core][fanout]") {
  Crowd crowd;
  CoreFixture& fixture = crowd.fixture;
  fixture.publish(1, 1, server_text("to all"), 0);
  fixture.turn();
  REQUIRE(crowd.served() < kCrowd);
  CHECK(fixture.commands().unconfirmed() != 0);
  SECTION("turn by turn") {
    REQUIRE(fixture.turn_until([&] { return crowd.served() == kCrowd; }));
    fixture.turn();
  }
  SECTION("at once, where they are needed") {
    bool reader_waits = false;
    fixture.core().transmit(reader_waits, true);
  }
  CHECK(crowd.served() == kCrowd);
  CHECK(fixture.commands().unconfirmed() == 0);
}

TEST_CASE("core: who leaves in the middle of a fan-out has had what was published before", "[core][fanout]") {
  Crowd crowd;
  CoreFixture& fixture = crowd.fixture;
  fixture.publish(1, 1, server_text("to all"), 0);
  fixture.turn();
  const auto has_none = [](const Peer& peer) { return server_frames(peer->written).empty(); };
  const auto waits = std::find_if(crowd.peers.begin(), crowd.peers.end(), has_none);
  REQUIRE(waits != crowd.peers.end());
  const Peer peer = *waits;
  fixture.push(fixture.command(queue::kCommandUnsubscribe, peer, 0, 1));
  fixture.close(peer, 1000);
  fixture.turn(2);
  const auto frames = server_frames(peer->written);
  REQUIRE(frames.size() == 2);
  CHECK(frames[0] == ServerFrame{1, "to all"});
  CHECK(frames[1].code() == 1000);
}

}  // namespace
}  // namespace sluice::test
