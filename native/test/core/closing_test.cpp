#include "test/support/core_fixture.hpp"

namespace sluice::test {
namespace {

using namespace ws::test;
using Codes = std::vector<uint16_t>;

TEST_CASE("core: the peer's close is answered with its code, told, and the stream ends", "[core]") {
  for (const uint16_t code : {uint16_t{1000}, uint16_t{1001}, uint16_t{3000}, uint16_t{4999}}) {
    CoreFixture fixture;
    const Peer peer = fixture.open();
    peer->send(text("last") + ws::test::close(code, "bye") + text("ignored"));
    fixture.turn(3);
    const auto frames = server_frames(peer->written);
    REQUIRE(frames.size() == 1);
    CHECK(frames[0].opcode == 8);
    CHECK(frames[0].code() == code);
    CHECK(fixture.messages() == std::vector<std::string>{"last"});
    CHECK(fixture.close_codes() == Codes{code});
    CHECK(fixture.events_of(queue::kEventClose)[0].bytes == "bye");
    CHECK(peer->closed);
    CHECK_FALSE(peer->reset);
    fixture.check_all_free();
  }
}

TEST_CASE("core: an empty close is answered with an empty one and told as 1005", "[core]") {
  CoreFixture fixture;
  const Peer peer = fixture.open();
  const std::string bytes = frame(0x88, "");
  for (const char c : bytes) peer->send(std::string(1, c));
  fixture.turn(3);
  CHECK(server_frames(peer->written) == std::vector<ServerFrame>{{8, ""}});
  CHECK(fixture.close_codes() == Codes{ws::kCloseNoStatus});
  fixture.check_all_free();
}

TEST_CASE("core: our close waits for the peer's answer and ignores its messages meanwhile", "[core]") {
  CoreFixture fixture;
  const Peer peer = fixture.open();
  fixture.send(peer, "before");
  fixture.close(peer, 4321, "enough");
  fixture.send(peer, "after");
  fixture.turn();
  const auto frames = server_frames(peer->written);
  REQUIRE(frames.size() == 2);
  CHECK(frames[0].payload == "before");
  CHECK(frames[1].code() == 4321);
  CHECK(frames[1].payload.substr(2) == "enough");
  CHECK_FALSE(peer->closed);
  CHECK(fixture.close_codes().empty());
  peer->send(text("too late") + frame(0x01, "too"));
  peer->send(ping("p") + frame(0x80, "late"));
  peer->send(ws::test::close(4321));
  fixture.turn(3);
  CHECK(fixture.messages().empty());
  CHECK(fixture.close_codes() == Codes{4321});
  CHECK(server_frames(peer->written).size() == 2);
  CHECK(peer->closed);
  CHECK_FALSE(peer->reset);
  fixture.check_all_free();
}

TEST_CASE("core: our close without an answer ends at the timeout, or with the stream, as 1006", "[core]") {
  core::CoreOptions options;
  options.close_timeout_ms = 50;
  CoreFixture fixture(options);
  const Peer silent = fixture.open();
  const Peer leaves = fixture.open();
  fixture.close(silent, 1000);
  fixture.close(leaves, 1000);
  fixture.turn();
  leaves->fin = true;
  fixture.turn(2);
  CHECK(fixture.close_codes() == Codes{ws::kCloseAbnormal});
  CHECK(leaves->closed);
  REQUIRE(fixture.turn_until([&] { return silent->closed; }));
  CHECK(silent->reset);
  fixture.turn(2);
  CHECK(fixture.close_codes() == Codes{ws::kCloseAbnormal, ws::kCloseAbnormal});
  CHECK(fixture.counter(queue::Counter::closed_close_timeout) == 1);
  fixture.check_all_free();
}

TEST_CASE("core: a broken rule is told to both sides and the peer can read why", "[core]") {
  const std::string too_big(70'000, 'x');
  const std::vector<std::pair<std::string, uint16_t>> cases{
      {frame(0x83, "x"), ws::kCloseProtocolError},   {frame(0xc1, "x"), ws::kCloseProtocolError},
      {frame(0x80, "x"), ws::kCloseProtocolError},   {std::string("\x81\x01x", 3), ws::kCloseProtocolError},
      {text("\xff"), ws::kCloseBadPayload},          {frame(0x01, "\xff"), ws::kCloseBadPayload},
      {binary(too_big), ws::kCloseTooBig},           {ws::test::close(1005), ws::kCloseProtocolError},
      {frame(0x09, "x"), ws::kCloseProtocolError},   {ws::test::close(1000, "\xff"), ws::kCloseBadPayload}};
  for (const auto& [bytes, code] : cases) {
    for (const bool in_pieces : {false, true}) {
      CoreFixture fixture;
      const Peer peer = fixture.open();
      peer->send(text("good"));
      const size_t most = std::min<size_t>(bytes.size(), 20);
      if (in_pieces) {
        for (size_t i = 0; i < most; ++i) peer->send(bytes.substr(i, 1));
      } else {
        peer->send(bytes + text("never"));
      }
      while (!peer->input.empty()) fixture.turn();
      fixture.turn(2);
      CHECK(fixture.messages() == std::vector<std::string>{"good"});
      REQUIRE(fixture.close_codes() == Codes{code});
      CHECK_FALSE(fixture.events_of(queue::kEventClose)[0].bytes.empty());
      CHECK(server_frames(peer->written).back().code() == code);
      CHECK(fixture.counter(queue::Counter::protocol_errors) == 1);
      CHECK(peer->fin_sent);
      CHECK_FALSE(peer->closed);
      peer->send("whatever still comes");
      peer->fin = true;
      fixture.turn(3);
      CHECK(peer->closed);
      CHECK_FALSE(peer->reset);
      fixture.check_all_free();
    }
  }
}

TEST_CASE("core: a close, and a FIN, waits for what was queued before it", "[core]") {
  CoreFixture fixture;
  const Peer ours = fixture.open();
  const Peer theirs = fixture.open();
  const Peer half_closed = fixture.open();
  const std::string big(30'000, 'q');
  for (const Peer& peer : {ours, theirs, half_closed}) {
    peer->window = 100;
    fixture.send(peer, big);
  }
  fixture.turn();
  fixture.close(ours, 1000);
  theirs->send(ws::test::close(1001));
  fixture.turn(2);
  ours->fin = half_closed->fin = true;
  fixture.turn(2);
  CHECK_FALSE(ours->closed);
  CHECK_FALSE(theirs->closed);
  CHECK_FALSE(half_closed->closed);
  ours->window = theirs->window = half_closed->window = SIZE_MAX;
  fixture.turn(4);
  CHECK(server_frames(half_closed->written) == std::vector<ServerFrame>{{1, big}});
  CHECK(half_closed->closed);
  for (const Peer& peer : {ours, theirs}) {
    const auto frames = server_frames(peer->written);
    REQUIRE(frames.size() == 2);
    CHECK(frames[0].payload == big);
    CHECK(frames[1].code() == (peer == ours ? 1000 : 1001));
    CHECK(peer->closed);
  }
  fixture.check_all_free();
}

// What stands behind a message in one segment, or comes while it is being answered, does not cut its answer off.
TEST_CASE("core: however the peer ends, what it said before is answered first", "[core]") {
  const std::vector<std::pair<std::string, uint16_t>> ways{
      {ws::test::close(1000, "bye"), 1000}, {frame(0x83, "x"), ws::kCloseProtocolError}, {"", ws::kCloseAbnormal}};
  for (const auto& [way, code] : ways) {
    for (const bool fin : {false, true}) {
      if (!fin && way.empty()) continue;
      CoreFixture fixture;
      const Peer peer = fixture.open();
      fixture.hold_events = true;
      peer->send(text("question") + way + (way.empty() ? "" : text("never")));
      peer->fin = fin;
      fixture.turn(5);
      CHECK(server_frames(peer->written).empty());
      CHECK_FALSE(peer->closed);
      fixture.hold_events = false;
      fixture.send(peer, "answer");
      fixture.turn(4);
      CHECK(fixture.messages() == std::vector<std::string>{"question"});
      CHECK(fixture.close_codes() == Codes{code});
      const auto frames = server_frames(peer->written);
      REQUIRE(frames.size() == (way.empty() ? 1 : 2));
      CHECK(frames[0].payload == "answer");
      if (!way.empty()) CHECK(frames[1].code() == code);
      if (!fin) peer->fin = true;
      fixture.turn(2);
      CHECK(peer->closed);
      CHECK_FALSE(peer->reset);
      fixture.check_all_free();
    }
  }
}

TEST_CASE("core: an ending does not wait for an answer longer than a close may take, nor for others' answers", "[core]") {
  core::CoreOptions options;
  options.close_timeout_ms = 100;
  CoreFixture fixture(options);
  const Peer asks = fixture.open();
  const Peer silent = fixture.open();
  fixture.hold_events = true;
  asks->send(text("question") + ws::test::close(1000));
  fixture.turn(2);
  silent->send(ws::test::close(1001));
  fixture.turn(2);
  CHECK(server_frames(silent->written).at(0).code() == 1001);
  CHECK(silent->closed);
  CHECK(server_frames(asks->written).empty());
  REQUIRE(fixture.turn_until([&] { return asks->closed; }));
  CHECK(server_frames(asks->written).at(0).code() == 1000);
  fixture.check_all_free();
}

TEST_CASE("core: a stream that breaks, or a close of ours, ends what waits for an answer", "[core]") {
  CoreFixture fixture;
  const Peer breaks = fixture.open();
  const Peer closed = fixture.open();
  fixture.hold_events = true;
  for (const Peer& peer : {breaks, closed}) peer->send(text("question") + ws::test::close(1000));
  fixture.turn(2);
  breaks->error = ECONNRESET;
  fixture.close(closed, 4321);
  fixture.turn(3);
  CHECK(server_frames(closed->written).at(0).code() == 4321);
  CHECK(closed->closed);
  fixture.hold_events = false;
  fixture.turn(2);
  CHECK(fixture.close_codes() == Codes{ws::kCloseAbnormal, 1000});
  fixture.check_all_free();
}

TEST_CASE("core: an ending waits for every message that is not answered, in whatever order they are", "[core]") {
  CoreFixture fixture;
  const Peer peer = fixture.open();
  fixture.turn();
  fixture.hold_events = true;
  peer->send(text("slow") + text("quick") + ws::test::close(1000));
  fixture.turn(2);
  const uint32_t first = fixture.event_position() - 2;
  fixture.push({queue::kCommandConfirm, 0, 0, 0, 0, 0, 0, first + 1, 1, 0});
  fixture.turn(3);
  CHECK(server_frames(peer->written).empty());
  fixture.send(peer, "answer");
  fixture.push({queue::kCommandConfirm, 0, 0, 0, 0, 0, 0, first, 1, 0});
  fixture.turn(3);
  const auto frames = server_frames(peer->written);
  REQUIRE(frames.size() == 2);
  CHECK(frames[0].payload == "answer");
  CHECK(frames[1].code() == 1000);
  fixture.check_all_free();
}

TEST_CASE("core: an ending waits while the control plane says that answers are on their way", "[core]") {
  CoreFixture fixture;
  const Peer peer = fixture.open();
  fixture.push(fixture.command(queue::kCommandAnswering, peer, 1));
  peer->send(text("question"));
  fixture.turn(2);
  CHECK(fixture.messages() == std::vector<std::string>{"question"});
  peer->send(ws::test::close(1000));
  fixture.turn(3);
  CHECK(server_frames(peer->written).empty());
  fixture.send(peer, "answer");
  fixture.push(fixture.command(queue::kCommandAnswering, peer, 0));
  fixture.turn(3);
  const auto frames = server_frames(peer->written);
  REQUIRE(frames.size() == 2);
  CHECK(frames[0].payload == "answer");
  CHECK(frames[1].code() == 1000);
  CHECK(peer->closed);
  fixture.check_all_free();
}

TEST_CASE("core: who takes its leave is closed once it is answered, and its own close frame is heard meanwhile", "[core]") {
  for (const bool closes : {false, true}) {
    for (const bool fin : {false, true}) {
      CoreFixture fixture;
      const Peer peer = fixture.open();
      fixture.hold_events = true;
      peer->send(text("question"));
      fixture.turn(2);
      // Said again it changes nothing.
      for (int i = 0; i < 2; ++i) fixture.push(fixture.command(queue::kCommandLeave, peer, 1000), std::string(200, 'b'));
      fixture.turn();
      if (closes) peer->send(ws::test::close(1001));
      fixture.turn(2);
      peer->fin = fin;
      fixture.turn(2);
      CHECK(server_frames(peer->written).empty());
      fixture.send(peer, "answer");
      fixture.hold_events = false;
      fixture.turn(4);
      const auto frames = server_frames(peer->written);
      REQUIRE(frames.size() == 2);
      CHECK(frames[0].payload == "answer");
      CHECK(frames[1].code() == 1000);
      CHECK(peer->closed == (closes || fin));
      if (!closes && !fin) peer->send(ws::test::close(1000));
      fixture.turn(3);
      CHECK(peer->closed);
      CHECK_FALSE(peer->reset);
      CHECK(fixture.close_codes() == Codes{closes ? uint16_t{1001} : fin ? uint16_t{ws::kCloseAbnormal} : uint16_t{1000}});
      fixture.check_all_free();
    }
  }
}

TEST_CASE("core: an error of the stream is told once, whenever it comes", "[core]") {
  CoreFixture fixture;
  const Peer handshaking = fixture.driver().connect();
  handshaking->send("GET / HT");
  const Peer halfway = fixture.open();
  halfway->send(frame(0x01, "half of a mess"));
  halfway->send("\x80");
  const Peer queued = fixture.open();
  queued->window = 10;
  fixture.send(queued, std::string(10'000, 'q'));
  const Peer closing = fixture.open();
  fixture.close(closing, 1000);
  fixture.turn(2);
  for (const Peer& peer : {handshaking, halfway, queued, closing}) peer->error = ECONNRESET;
  fixture.turn(3);
  CHECK(fixture.close_codes() == Codes{ws::kCloseAbnormal, ws::kCloseAbnormal, ws::kCloseAbnormal});
  fixture.check_all_free();
}

TEST_CASE("core: a row that is released early is free when its last bytes are gone", "[core]") {
  CoreFixture fixture;
  const Peer peer = fixture.open();
  peer->window = 0;
  peer->send(ws::test::close(1000));
  fixture.turn(2);
  REQUIRE(fixture.close_codes() == Codes{1000});
  fixture.release(peer);
  fixture.release(peer);
  fixture.turn(2);
  CHECK(fixture.counter(queue::Counter::commands_invalid) == 1);
  CHECK_FALSE(peer->closed);
  CHECK(fixture.row(peer).state == core::ConnectionState::kClosing);
  peer->window = SIZE_MAX;
  fixture.turn(3);
  CHECK(peer->closed);
  CHECK(fixture.row(peer).state == core::ConnectionState::kFree);
  fixture.check_all_free();
}

TEST_CASE("core: a row that is released while subscribed takes no channel to its next connection", "[core]") {
  CoreFixture fixture;
  const Peer first = fixture.open();
  fixture.subscribe(first, 1);
  fixture.subscribe(first, 2);
  fixture.turn();
  first->fin = true;
  fixture.turn(2);
  fixture.release(first);
  fixture.turn(2);
  REQUIRE(fixture.row(first).state == core::ConnectionState::kFree);
  CHECK(fixture.counter(queue::Counter::commands_invalid) == 1);

  const Peer second = fixture.open();
  REQUIRE(second->id == first->id);
  fixture.publish(1, 1, "\x81\x01x", 0);
  fixture.publish(2, 1, "\x81\x01y", 64);
  fixture.turn(2);
  CHECK(server_frames(second->written).empty());
  second->fin = true;
  fixture.turn(2);
}

}  // namespace
}  // namespace sluice::test
