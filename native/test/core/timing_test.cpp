#include "test/support/core_fixture.hpp"

namespace sluice::test {
namespace {

using namespace ws::test;
using queue::Counter;
using Codes = std::vector<uint16_t>;

TEST_CASE("core: a request head that does not come in time is answered with 408", "[core][time]") {
  core::CoreOptions options;
  options.upgrade_timeout_ms = 60;
  CoreFixture fixture(options);
  const Peer silent = fixture.driver().connect();
  const Peer slow = fixture.driver().connect();
  slow->send("GET / HTTP/1.1\r\nHo");
  const Peer good = fixture.open();
  REQUIRE(fixture.turn_until([&] { return silent->fin_sent && slow->fin_sent; }));
  CHECK(silent->written.compare(0, 13, "HTTP/1.1 408 ") == 0);
  CHECK(slow->written.compare(0, 13, "HTTP/1.1 408 ") == 0);
  CHECK(fixture.counter(Counter::closed_upgrade_timeout) == 2);
  CHECK(server_frames(good->written).empty());
  CHECK_FALSE(good->fin_sent);
  for (const Peer& peer : {silent, slow, good}) peer->fin = true;
  fixture.turn(3);
  fixture.check_all_free();
}

TEST_CASE("core: a peer that does not end after its refusal is reset", "[core][time]") {
  core::CoreOptions options;
  options.upgrade_timeout_ms = 30;
  options.close_timeout_ms = 30;
  CoreFixture fixture(options);
  const Peer peer = fixture.driver().connect();
  REQUIRE(fixture.turn_until([&] { return peer->closed; }));
  CHECK(peer->reset);
  fixture.check_all_free();
}

TEST_CASE("core: who is not admitted in time is closed with 4003", "[core][time]") {
  core::CoreOptions options;
  options.protocol = core::Protocol::kSluice;
  options.hello_timeout_ms = 60;
  CoreFixture fixture(options);
  const Peer admitted = fixture.open();
  fixture.push(fixture.command(queue::kCommandAdmit, admitted));
  const Peer stranger = fixture.open();
  REQUIRE(fixture.turn_until([&] { return stranger->fin_sent; }));
  fixture.turn(2);
  CHECK(server_frames(stranger->written).back().code() == core::kCloseNotAuthorised);
  CHECK(fixture.close_codes() == Codes{core::kCloseNotAuthorised});
  CHECK(fixture.counter(Counter::closed_hello_timeout) == 1);
  CHECK_FALSE(admitted->fin_sent);
  admitted->fin = stranger->fin = true;
  fixture.turn(3);
  fixture.check_all_free();
}

TEST_CASE("core: a silent peer is sent heartbeats and closed with 4002 when it misses them", "[core][time]") {
  core::CoreOptions options;
  options.heartbeat_ms = 100;
  CoreFixture fixture(options);
  const Peer peer = fixture.open();
  REQUIRE(fixture.turn_until([&] { return peer->fin_sent; }));
  fixture.turn(2);
  const auto frames = server_frames(peer->written);
  REQUIRE(frames.size() >= 3);
  CHECK(frames.front() == ServerFrame{9, ""});
  CHECK(frames.back().code() == core::kCloseHeartbeatMissed);
  CHECK(fixture.close_codes() == Codes{core::kCloseHeartbeatMissed});
  CHECK(fixture.counter(Counter::heartbeats_missed) == 1);
  CHECK(fixture.counter(Counter::heartbeats_sent) + 1 == frames.size());
  peer->fin = true;
  fixture.turn(3);
  fixture.check_all_free();
}

TEST_CASE("core: a peer that answers its heartbeats stays", "[core][time]") {
  for (const auto protocol : {core::Protocol::kPlain, core::Protocol::kSluice}) {
    core::CoreOptions options;
    options.protocol = protocol;
    options.heartbeat_ms = 200;
    CoreFixture fixture(options);
    const Peer peer = fixture.open();
    const std::string answer = protocol == core::Protocol::kPlain ? frame(0x8a, "") : text(R"({"op":"hb"})");
    size_t answered = 0;
    const bool six = fixture.turn_until([&] {
      const auto frames = server_frames(peer->written);
      for (; answered < frames.size(); ++answered) peer->send(answer);
      return answered >= 6 || peer->fin_sent;
    });
    CHECK(six);
    CHECK_FALSE(peer->fin_sent);
    const ServerFrame beat = protocol == core::Protocol::kPlain ? ServerFrame{9, ""} : ServerFrame{1, R"({"op":"hb"})"};
    CHECK(server_frames(peer->written).front() == beat);
    CHECK(fixture.messages().empty());
    CHECK(fixture.counter(Counter::heartbeats_missed) == 0);
    peer->fin = true;
    fixture.turn(3);
    fixture.check_all_free();
  }
}

TEST_CASE("core: who acknowledges what it is sent is asked for a sign of life only now and then", "[core][time]") {
  core::CoreOptions options;
  options.heartbeat_ms = 100;
  CoreFixture fixture(options);
  const Peer peer = fixture.open();
  peer->quiet_ms = 0;
  REQUIRE(fixture.turn_until([&] { return fixture.row(peer).heartbeats_missed == 1; }));
  CHECK(peer->quiet_asked == 3);
  peer->send(frame(0x8a, ""));
  // Once it was asked it has to answer, whatever it acknowledges.
  REQUIRE(fixture.turn_until([&] { return peer->fin_sent; }));
  CHECK(peer->quiet_asked == 6);
  fixture.turn(2);
  CHECK(fixture.close_codes() == Codes{core::kCloseHeartbeatMissed});
  peer->fin = true;
  fixture.turn(3);
  fixture.check_all_free();
}

TEST_CASE("core: acknowledgements of an interval ago are no sign of life", "[core][time]") {
  core::CoreOptions options;
  options.heartbeat_ms = 100;
  CoreFixture fixture(options);
  const Peer peer = fixture.open();
  peer->quiet_ms = 100;
  REQUIRE(fixture.turn_until([&] { return peer->fin_sent; }));
  CHECK(peer->quiet_asked == 1);
  fixture.turn(2);
  CHECK(fixture.close_codes() == Codes{core::kCloseHeartbeatMissed});
  peer->fin = true;
  fixture.turn(3);
  fixture.check_all_free();
}

TEST_CASE("core: heartbeats of many that opened together leave a few at a time", "[core][time]") {
  core::CoreOptions options;
  options.heartbeat_ms = 1000;
  CoreFixture fixture(options);
  std::vector<Peer> peers;
  for (int i = 0; i < 60; ++i) peers.push_back(fixture.open());
  // A walk over all rows takes an eighth of a second. A machine that is taken away for most of it gets another chance.
  size_t turns = 0;
  for (int tries = 0; tries < 3 && turns <= 20; ++tries) {
    uint64_t sent = fixture.counter(Counter::heartbeats_sent);
    const uint64_t all = sent + 60;
    turns = 0;
    REQUIRE(fixture.turn_until([&] {
      const uint64_t now = fixture.counter(Counter::heartbeats_sent);
      if (now != sent) ++turns;
      sent = now;
      return sent >= all;
    }));
    for (const Peer& peer : peers) peer->send(frame(0x8a, ""));
    fixture.turn(3);
  }
  CHECK(turns > 20);
  for (const Peer& peer : peers) peer->fin = true;
  fixture.turn(3);
  fixture.check_all_free();
}

TEST_CASE("core: a peer that is held back is not taken for dead, and one without heartbeats never", "[core][time]") {
  core::CoreOptions options;
  options.heartbeat_ms = 30;
  CoreFixture fixture(options);
  const Peer peer = fixture.open();
  fixture.push(fixture.command(queue::kCommandPause, peer));
  core::CoreOptions never;
  never.heartbeat_ms = 0;
  CoreFixture quiet(never);
  const Peer other = quiet.open();
  CHECK_FALSE(fixture.turn_until([&] { quiet.turn(); return peer->fin_sent || other->written.size() > 500; }, 300));
  CHECK(server_frames(other->written).empty());
  peer->paused = false;
  peer->fin = other->fin = true;
  fixture.turn(3);
  quiet.turn(3);
  fixture.check_all_free();
  quiet.check_all_free();
}

}  // namespace
}  // namespace sluice::test
