#include <memory>

#include "test/kernel/driver_fixture.hpp"
#include "test/kernel/peer.hpp"

// How streams, listener and driver go, whatever is under way on them.

using namespace sluice;
using namespace sluice::test;

TEST_CASE("close sends FIN or RST at once", "[kernel]") {
  const auto variant = GENERATE(from_range(variants()));
  const bool reset = GENERATE(false, true);
  INFO(variant.name << (reset ? ", reset" : ""));
  DriverFixture fixture(variant);
  if (!fixture.usable()) return;
  Peer peer(fixture.port());
  const StreamId id = fixture.accept_one();
  fixture.turn(0);
  fixture.close(id, reset);
  // Nothing more is asked of the driver: the peer must hear of it all the same.
  using Clock = std::chrono::steady_clock;
  for (const auto end = Clock::now() + std::chrono::seconds(60); Clock::now() < end && !peer.ended && peer.error == 0;) peer.receive();
  CHECK(peer.ended == !reset);
  CHECK(peer.error == (reset ? ECONNRESET : 0));
  fixture.run_for(3);
  PeerAddress address{};
  CHECK(!fixture.driver->peer_address(id, address));
}

TEST_CASE("what was written comes before the end", "[kernel]") {
  const auto variant = GENERATE(from_range(variants()));
  INFO(variant.name);
  DriverFixture fixture(variant);
  if (!fixture.usable()) return;
  Peer peer(fixture.port());
  const StreamId id = fixture.accept_one();
  fixture.turn(0);
  fixture.write(id, "the last message");
  fixture.close(id, false);
  fixture.driver->flush();
  REQUIRE(fixture.run_until([&] { return peer.receive(), peer.ended; }));
  CHECK(peer.received == "the last message");
}

TEST_CASE("an id is free at once and hears nothing of its earlier stream", "[kernel]") {
  const auto variant = GENERATE(from_range(variants()));
  const bool reset = GENERATE(false, true);
  INFO(variant.name);
  DriverFixture fixture(variant);
  if (!fixture.usable()) return;
  for (uint32_t round = 0; round < 50; ++round) {
    Peer first(fixture.port());
    const StreamId id = fixture.accept_one();
    // All kinds of requests are under way when it closes.
    if (round % 2 != 0) fixture.driver->pause_reading(id);
    if (round % 3 != 0) fixture.driver->notify_writable(id);
    if (round % 5 != 0) fixture.turn(0);
    first.send("of the first");
    fixture.close(id, reset);
    Peer second(fixture.port());
    REQUIRE(fixture.accept_one() == id);
    second.send("of the second");
    REQUIRE(fixture.run_until([&] { return fixture[id].received == "of the second"; }));
    CHECK(fixture[id].writable == 0);
    fixture.close(id, false);
  }
  fixture.run_for(5);
  CHECK(fixture.pool.count() - fixture.pool.free_count() <= fixture.pool.count() / 4);
}

TEST_CASE("a sink may close from within every call", "[kernel]") {
  const auto variant = GENERATE(from_range(variants()));
  INFO(variant.name);
  DriverFixture fixture(variant);
  if (!fixture.usable()) return;
  SECTION("on_data") {
    fixture.data_hook = [&](StreamId id) { fixture.close(id, false); };
    Peer peer(fixture.port());
    fixture.accept_one();
    peer.send("x");
    REQUIRE(fixture.run_until([&] { return peer.receive(), peer.ended; }));
  }
  SECTION("on_end") {
    fixture.end_hook = [&](StreamId id) { fixture.close(id, false); };
    Peer peer(fixture.port());
    fixture.accept_one();
    peer.shut_send();
    REQUIRE(fixture.run_until([&] { return peer.receive(), peer.ended; }));
  }
  SECTION("on_writable") {
    fixture.writable_hook = [&](StreamId id) { fixture.close(id, true); };
    Peer peer(fixture.port());
    fixture.driver->notify_writable(fixture.accept_one());
    REQUIRE(fixture.run_until([&] { return peer.receive(), peer.error == ECONNRESET; }));
  }
  SECTION("on_written") {
    fixture.written_hook = [&](StreamId id, uint32_t, uint32_t) { fixture.close(id, false); };
    Peer peer(fixture.port());
    fixture.write(fixture.accept_one(), "last");
    fixture.driver->flush();
    REQUIRE(fixture.run_until([&] { return peer.receive(), peer.ended; }));
    CHECK(peer.received == "last");
  }
}

TEST_CASE("without a listener clients are refused and established streams live on", "[kernel]") {
  const auto variant = GENERATE(from_range(variants()));
  INFO(variant.name);
  DriverFixture fixture(variant);
  if (!fixture.usable()) return;
  Peer peer(fixture.port());
  const StreamId id = fixture.accept_one();
  const uint16_t port = fixture.port();
  fixture.driver->stop_listening();
  Peer late(port);
  CHECK(!late.connected());
  peer.send("still here");
  REQUIRE(fixture.run_until([&] { return fixture[id].received == "still here"; }));
  fixture.driver->stop_listening();
  ListenOptions options;
  options.address = "127.0.0.1";
  options.port = port;
  std::string error;
  REQUIRE(fixture.driver->listen(options, error));
  Peer third(port);
  CHECK(third.connected());
  fixture.accept_one();
}

TEST_CASE("a sink that refuses resets the client", "[kernel]") {
  const auto variant = GENERATE(from_range(variants()));
  INFO(variant.name);
  DriverFixture fixture(variant);
  if (!fixture.usable()) return;
  fixture.refuse = true;
  Peer peer(fixture.port());
  REQUIRE(fixture.run_until([&] { return peer.receive(), peer.error != 0; }));
  CHECK(peer.error == ECONNRESET);
  CHECK(fixture.driver->counters().refused == 1);
  CHECK(fixture.driver->counters().accepted == 0);
}

TEST_CASE("a driver that goes ends its streams and frees its port", "[kernel]") {
  const auto variant = GENERATE(from_range(variants()));
  INFO(variant.name);
  DriverFixture fixture(variant);
  if (!fixture.usable()) return;
  std::vector<Peer> peers;
  for (uint32_t i = 0; i < 8; ++i) {
    peers.emplace_back(fixture.port());
    fixture.accept_one();
  }
  fixture.driver->pause_reading(1);
  fixture.driver->notify_writable(2);
  fixture.turn(0);
  ListenOptions options;
  options.address = "127.0.0.1";
  options.port = fixture.port();
  fixture.driver->stop_listening();
  fixture.driver.reset();
  for (Peer& peer : peers) {
    for (uint32_t i = 0; i < 60'000 && !peer.ended && peer.error == 0; ++i) {
      peer.receive();
      usleep(1000);
    }
    CHECK(peer.ended);
  }
  KernelDriverOptions again{16, &fixture.pool, &fixture};
  std::string error;
  auto successor = EpollDriver::make(again, error);
  INFO(error);
  CHECK(successor->listen(options, error));
}
