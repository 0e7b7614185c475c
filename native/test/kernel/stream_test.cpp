#include "test/kernel/driver_fixture.hpp"
#include "test/kernel/peer.hpp"

// Streams on every kernel driver: bytes, ends, errors. What differs between the drivers must be cost only.

using namespace sluice;
using namespace sluice::test;

TEST_CASE("bytes go both ways and the peer's address is known", "[kernel]") {
  const auto variant = GENERATE(from_range(variants()));
  INFO(variant.name);
  DriverFixture fixture(variant);
  if (!fixture.usable()) return;
  Peer peer(fixture.port());
  const StreamId id = fixture.accept_one();
  PeerAddress address{};
  REQUIRE(fixture.driver->peer_address(id, address));
  CHECK(address.family == 4);
  CHECK(address.port == peer.local_port());
  CHECK(address.ip[0] == 127);
  peer.send("hello");
  REQUIRE(fixture.run_until([&] { return fixture[id].received == "hello"; }));
  peer.send(" again");
  REQUIRE(fixture.run_until([&] { return fixture[id].received == "hello again"; }));
  fixture.write(id, "answer");
  fixture.driver->flush();
  CHECK(fixture[id].accepted == 6);
  CHECK(fixture[id].writes_done == 1);
  REQUIRE(fixture.run_until([&] { return peer.receive(), peer.received == "answer"; }));
  const DriverCounters& counters = fixture.driver->counters();
  CHECK(counters.accepted == 1);
  CHECK(counters.bytes_received == 11);
  CHECK(counters.bytes_sent == 6);
  CHECK(counters.sends == 1);
  CHECK(counters.sends_short == 0);
}

TEST_CASE("many slices of one write arrive in order", "[kernel]") {
  const auto variant = GENERATE(from_range(variants()));
  INFO(variant.name);
  DriverFixture fixture(variant);
  if (!fixture.usable()) return;
  Peer peer(fixture.port());
  const StreamId id = fixture.accept_one();
  const std::string bytes = pattern(64 * 100);
  std::vector<IoSlice> slices;
  for (uint32_t i = 0; i < StreamDriver::kMaxSlices; ++i) slices.push_back({reinterpret_cast<const uint8_t*>(bytes.data()) + i * 100, 100});
  fixture.driver->write(id, slices.data(), StreamDriver::kMaxSlices);
  fixture.driver->flush();
  CHECK(fixture[id].accepted == bytes.size());
  REQUIRE(fixture.run_until([&] { return peer.receive(), peer.received.size() >= bytes.size(); }));
  CHECK(peer.received == bytes);
}

TEST_CASE("more writes in a turn than a queue has room for", "[kernel]") {
  const auto variant = GENERATE(from_range(variants()));
  INFO(variant.name);
  DriverFixture fixture(variant);
  if (!fixture.usable()) return;
  constexpr uint32_t kPeers = 300;
  std::vector<Peer> peers;
  for (uint32_t i = 0; i < kPeers; ++i) {
    peers.emplace_back(fixture.port());
    fixture.turn(0);
  }
  REQUIRE(fixture.run_until([&] { return fixture.accepted == kPeers; }));
  const std::string a = pattern(30, 1), b = pattern(40, 2);
  const IoSlice slices[] = {{reinterpret_cast<const uint8_t*>(a.data()), 30}, {reinterpret_cast<const uint8_t*>(b.data()), 40}};
  for (uint32_t round = 0; round < 3; ++round) {
    for (StreamId id = 0; id < kPeers; ++id) fixture.driver->write(id, slices, 2);
    fixture.driver->flush();
  }
  for (StreamId id = 0; id < kPeers; ++id) CHECK(fixture[id].accepted == 3 * 70);
  for (Peer& peer : peers) {
    REQUIRE(fixture.run_until([&] { return peer.receive(), peer.received.size() >= 210; }));
    CHECK(peer.received == a + b + a + b + a + b);
  }
}

TEST_CASE("a large stream arrives whole and in order", "[kernel]") {
  const auto variant = GENERATE(from_range(variants()));
  INFO(variant.name);
  DriverFixture fixture(variant, 16, 4096);
  if (!fixture.usable()) return;
  Peer peer(fixture.port());
  const StreamId id = fixture.accept_one();
  const std::string bytes = pattern(4u << 20);
  size_t sent = 0;
  REQUIRE(fixture.run_until([&] {
    if (sent < bytes.size()) sent += peer.send(bytes.substr(sent, 60'000));
    return fixture[id].received.size() >= bytes.size();
  }));
  CHECK(fixture[id].received == bytes);
  CHECK(fixture.notices(NoticeKind::kReceiveExhausted) == 0);
}

TEST_CASE("the peer's FIN ends one direction only", "[kernel]") {
  const auto variant = GENERATE(from_range(variants()));
  INFO(variant.name);
  DriverFixture fixture(variant);
  if (!fixture.usable()) return;
  Peer peer(fixture.port());
  const StreamId id = fixture.accept_one();
  peer.send("last words");
  peer.shut_send();
  REQUIRE(fixture.run_until([&] { return fixture[id].ended; }));
  CHECK(fixture[id].received == "last words");
  fixture.write(id, "still heard");
  fixture.driver->flush();
  REQUIRE(fixture.run_until([&] { return peer.receive(), peer.received == "still heard"; }));
  fixture.driver->shutdown_send(id);
  REQUIRE(fixture.run_until([&] { return peer.receive(), peer.ended; }));
  fixture.close(id, false);
  fixture.turn(0);
}

TEST_CASE("our FIN leaves reading on", "[kernel]") {
  const auto variant = GENERATE(from_range(variants()));
  INFO(variant.name);
  DriverFixture fixture(variant);
  if (!fixture.usable()) return;
  Peer peer(fixture.port());
  const StreamId id = fixture.accept_one();
  fixture.write(id, "goodbye");
  fixture.driver->shutdown_send(id);
  fixture.driver->flush();
  REQUIRE(fixture.run_until([&] { return peer.receive(), peer.ended; }));
  CHECK(peer.received == "goodbye");
  CHECK(fixture[id].accepted == 7);
  peer.send("one more thing");
  REQUIRE(fixture.run_until([&] { return fixture[id].received == "one more thing"; }));
}

TEST_CASE("a peer's reset is an error, read on or paused or ended", "[kernel]") {
  const auto variant = GENERATE(from_range(variants()));
  const int state = GENERATE(0, 1, 2);
  INFO(variant.name << ", state " << state);
  DriverFixture fixture(variant);
  if (!fixture.usable()) return;
  Peer peer(fixture.port());
  const StreamId id = fixture.accept_one();
  if (state == 1) fixture.driver->pause_reading(id);
  if (state == 2) {
    peer.shut_send();
    REQUIRE(fixture.run_until([&] { return fixture[id].ended; }));
  }
  fixture.run_for(5);
  peer.reset();
  REQUIRE(fixture.run_until([&] { return !fixture[id].open; }));
  // After the peer's FIN Linux calls a reset a broken pipe.
  CHECK(fixture[id].error == (state == 2 ? EPIPE : ECONNRESET));
}

TEST_CASE("a write to a stream that broke ends in one error, told from poll", "[kernel]") {
  const auto variant = GENERATE(from_range(variants()));
  INFO(variant.name);
  DriverFixture fixture(variant);
  if (!fixture.usable()) return;
  Peer peer(fixture.port());
  const StreamId id = fixture.accept_one();
  peer.reset();
  fixture.write(id, "too late");
  fixture.driver->flush();
  CHECK(fixture[id].writes_done == 1);
  CHECK(fixture[id].accepted == 0);
  CHECK(fixture[id].open);
  REQUIRE(fixture.run_until([&] { return !fixture[id].open; }));
  fixture.run_for(5);
  CHECK(fixture[id].error != 0);
}
