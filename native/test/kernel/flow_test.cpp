#include "base/prng.hpp"
#include "test/kernel/driver_fixture.hpp"
#include "test/kernel/peer.hpp"

// Back-pressure in both directions.

using namespace sluice;
using namespace sluice::test;

TEST_CASE("a paused stream delivers nothing and its peer's window fills", "[kernel]") {
  const auto variant = GENERATE(from_range(variants()));
  INFO(variant.name);
  DriverFixture fixture(variant);
  if (!fixture.usable()) return;
  Peer peer(fixture.port());
  const StreamId id = fixture.accept_one();
  fixture.turn(0);
  fixture.driver->pause_reading(id);
  fixture.turn(0);
  const std::string bytes = pattern(64u << 20);
  size_t sent = 0;
  for (uint32_t quiet = 0; quiet < 20; ++quiet) {
    const size_t took = peer.send(bytes.substr(sent, 1u << 20));
    if (took != 0) quiet = 0;
    sent += took;
    fixture.turn(1'000);
    REQUIRE(sent < bytes.size());
  }
  CHECK(fixture[id].received.empty());
  peer.shut_send();
  fixture.run_for(5);
  CHECK(!fixture[id].ended);
  fixture.driver->resume_reading(id);
  REQUIRE(fixture.run_until([&] { return fixture[id].ended; }));
  CHECK(fixture[id].received == bytes.substr(0, sent));
}

TEST_CASE("bytes that came before the pause took effect are delivered after it, in order", "[kernel]") {
  const auto variant = GENERATE(from_range(variants()));
  INFO(variant.name);
  DriverFixture fixture(variant);
  if (!fixture.usable()) return;
  Peer peer(fixture.port());
  const StreamId id = fixture.accept_one();
  const std::string bytes = pattern(600'000);
  Prng random(7);
  size_t sent = 0;
  bool paused = false;
  // Pauses from within on_data and from outside, at any moment.
  fixture.data_hook = [&](StreamId stream) {
    CHECK(!paused);
    if (random.next() % 3 != 0) return;
    fixture.driver->pause_reading(stream);
    paused = true;
  };
  REQUIRE(fixture.run_until([&] {
    if (sent < bytes.size()) sent += peer.send(bytes.substr(sent, 1 + random.next() % 9000));
    if (sent == bytes.size()) peer.shut_send();
    if (random.next() % 2 == 0) {
      paused ? fixture.driver->resume_reading(id) : fixture.driver->pause_reading(id);
      paused = !paused;
    }
    return fixture[id].ended;
  }));
  CHECK(fixture[id].received == bytes);
}

TEST_CASE("a socket that is full takes a part, and says when it takes more", "[kernel]") {
  const auto variant = GENERATE(from_range(variants()));
  INFO(variant.name);
  DriverFixture fixture(variant);
  if (!fixture.usable()) return;
  Peer peer(fixture.port(), 32 << 10);
  const StreamId id = fixture.accept_one();
  const std::string bytes = pattern(24u << 20);
  size_t offset = 0;
  bool asked = false;
  uint32_t shorts = 0;
  fixture.written_hook = [&](StreamId, uint32_t taken, uint32_t offered) {
    offset += taken;
    if (taken == offered) return;
    ++shorts;
    asked = true;
    fixture.driver->notify_writable(id);
  };
  fixture.writable_hook = [&](StreamId) {
    CHECK(asked);
    asked = false;
  };
  REQUIRE(fixture.run_until([&] {
    if (!asked && offset < bytes.size()) {
      const auto length = static_cast<uint32_t>(std::min<size_t>(bytes.size() - offset, 3u << 20));
      const IoSlice slice{reinterpret_cast<const uint8_t*>(bytes.data()) + offset, length};
      fixture.driver->write(id, &slice, 1);
      fixture.driver->flush();
    }
    peer.receive(200'000);
    return peer.received.size() >= bytes.size();
  }));
  CHECK(peer.received == bytes);
  CHECK(shorts > 0);
  CHECK(fixture.driver->counters().sends_short == shorts);
  CHECK(fixture.driver->counters().bytes_sent == bytes.size());
}

TEST_CASE("notify_writable on a socket with room comes once", "[kernel]") {
  const auto variant = GENERATE(from_range(variants()));
  INFO(variant.name);
  DriverFixture fixture(variant);
  if (!fixture.usable()) return;
  Peer peer(fixture.port());
  const StreamId id = fixture.accept_one();
  for (uint32_t round = 1; round <= 3; ++round) {
    fixture.driver->notify_writable(id);
    REQUIRE(fixture.run_until([&] { return fixture[id].writable == round; }));
    fixture.run_for(3);
    CHECK(fixture[id].writable == round);
  }
}

TEST_CASE("without blocks reading stops, and goes on when there are some", "[kernel]") {
  const auto variant = GENERATE(from_range(variants()));
  INFO(variant.name);
  DriverFixture fixture(variant, 8, 4096);
  if (!fixture.usable()) return;
  constexpr uint32_t kPeers = 12;
  std::vector<Peer> peers;
  std::vector<std::string> sent(kPeers);
  for (uint32_t i = 0; i < kPeers; ++i) {
    peers.emplace_back(fixture.port());
    fixture.accept_one();
  }
  fixture.hold = true;
  for (uint32_t i = 0; i < kPeers; ++i) {
    sent[i] = pattern(20'000, i);
    REQUIRE(peers[i].send(sent[i]) == sent[i].size());
  }
  REQUIRE(fixture.run_until([&] { return fixture.notices(NoticeKind::kReceiveExhausted) == 1; }));
  fixture.run_for(60);
  CHECK(fixture.notices(NoticeKind::kReceiveExhausted) == 1);
  CHECK(fixture.driver->counters().receive_exhausted >= 1);
  uint64_t received = 0;
  for (StreamId id = 0; id < kPeers; ++id) received += fixture[id].received.size();
  CHECK(received <= 8 * 4096);
  // A stream that starves can be paused, closed and reset like any other.
  fixture.driver->pause_reading(0);
  fixture.close(1, false);
  fixture.hold = false;
  fixture.let_go();
  REQUIRE(fixture.run_until([&] {
    for (StreamId id = 2; id < kPeers; ++id) {
      if (fixture[id].received.size() < sent[id].size()) return false;
    }
    return true;
  }));
  for (StreamId id = 2; id < kPeers; ++id) CHECK(fixture[id].received == sent[id]);
  fixture.driver->resume_reading(0);
  REQUIRE(fixture.run_until([&] { return fixture[0].received.size() >= sent[0].size(); }));
  CHECK(fixture[0].received == sent[0]);
}

TEST_CASE("small receives lie densely in blocks", "[kernel]") {
  const auto variant = GENERATE(from_range(variants()));
  INFO(variant.name);
  DriverFixture fixture(variant, 64, 8192);
  if (!fixture.usable()) return;
  // Without bitwise use of buffers each receive takes a slice.
  UringProbe probe = probe_uring();
  variant.without(probe);
  if (variant.uring && !probe.incremental_buffers) return;
  Peer peer(fixture.port());
  const StreamId id = fixture.accept_one();
  fixture.turn(0);
  const uint32_t before = fixture.pool.free_count();
  fixture.hold = true;
  std::string sent;
  for (uint32_t i = 0; i < 100; ++i) {
    const std::string message = pattern(60, i);
    sent += message;
    peer.send(message);
    REQUIRE(fixture.run_until([&] { return fixture[id].received.size() == sent.size(); }));
  }
  CHECK(fixture[id].received == sent);
  CHECK(before - fixture.pool.free_count() <= 2);
}
