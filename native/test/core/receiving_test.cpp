#include <numeric>
#include <random>

#include "test/support/core_fixture.hpp"

namespace sluice::test {
namespace {

using namespace ws::test;
using Strings = std::vector<std::string>;

TEST_CASE("core: an upgrade becomes an open event with the request and the peer", "[core]") {
  CoreFixture fixture;
  const Peer peer = fixture.open("X-Test: 1\r\n");
  fixture.turn();
  REQUIRE(fixture.events.size() == 2);
  const std::string request = handshake("X-Test: 1\r\n");
  CHECK(fixture.events[0].type() == queue::kEventOpen);
  CHECK(fixture.events[0].bytes == request.substr(0, request.size() - 2));
  CHECK(fixture.events[0].record.slot == peer->id);
  const queue::Record& second = fixture.events[1].record;
  CHECK(second.type == queue::kEventOpenPeer);
  CHECK(second.code == 4);
  CHECK(second.c == 1000 + peer->id);
  CHECK((second.address & 0xff) == 192);
  peer->fin = true;
  fixture.turn(2);
  CHECK(fixture.close_codes() == std::vector<uint16_t>{ws::kCloseAbnormal});
  CHECK(peer->closed);
  fixture.check_all_free();
}

TEST_CASE("core: a handshake in pieces, with the first messages behind it", "[core]") {
  const std::string stream = handshake("X-Filler: " + std::string(300, 'f') + "\r\n") + text("one") + text("two");
  for (const size_t step : {size_t{1}, size_t{7}, size_t{100}, stream.size() - 5, stream.size()}) {
    CoreFixture fixture;
    const Peer peer = fixture.driver().connect();
    for (size_t at = 0; at < stream.size(); at += step) peer->send(stream.substr(at, step));
    fixture.turn(4);
    CHECK(fixture.messages() == Strings{"one", "two"});
    CHECK(fixture.events_of(queue::kEventOpen).size() == 1);
    peer->fin = true;
    fixture.turn(2);
    fixture.check_all_free();
  }
}

TEST_CASE("core: refusals and health checks are answered and never announced", "[core]") {
  CoreFixture fixture;
  const Peer health = fixture.driver().connect();
  for (const char c : get("/healthz")) health->send(std::string(1, c));
  const Peer refused = fixture.driver().connect();
  refused->send(get("/chat"));
  const Peer garbage = fixture.driver().connect();
  garbage->send("\x16\x03\x01 this is TLS\r\n\r\n");
  const Peer huge = fixture.driver().connect();
  huge->send("GET / HTTP/1.1\r\nX: " + std::string(9000, 'x'));
  fixture.turn(2);
  CHECK(health->written.compare(0, 13, "HTTP/1.1 200 ") == 0);
  CHECK_FALSE(health->fin_sent);
  CHECK(refused->written.compare(0, 13, "HTTP/1.1 426 ") == 0);
  CHECK(garbage->written.compare(0, 13, "HTTP/1.1 400 ") == 0);
  CHECK(huge->written.compare(0, 13, "HTTP/1.1 431 ") == 0);
  health->send(handshake());
  CHECK(fixture.events.empty());
  fixture.turn();
  CHECK(fixture.events_of(queue::kEventOpen).size() == 1);
  for (const Peer& peer : {health, refused, garbage, huge}) {
    CHECK((peer->fin_sent || peer == health));
    peer->fin = true;
  }
  fixture.turn(2);
  fixture.check_all_free();
}

TEST_CASE("core: draining refuses upgrades with 503", "[core]") {
  CoreFixture fixture;
  fixture.push({queue::kCommandHealth, 0, 1, 0, 0, 0, 0, 17, 0, 0});
  fixture.push({queue::kCommandStopListening, 0, 0, 0, 0, 0, 0, 0, 0, 0});
  fixture.turn();
  CHECK_FALSE(fixture.driver().listening);
  const Peer peer = fixture.driver().connect();
  peer->send(handshake());
  fixture.turn(2);
  CHECK(peer->written.compare(0, 13, "HTTP/1.1 503 ") == 0);
  CHECK(peer->written.find("Retry-After: 17") != std::string::npos);
  peer->fin = true;
  fixture.turn(2);
  fixture.check_all_free();
}

TEST_CASE("core: messages of every shape arrive whole however they are cut", "[core]") {
  const std::string large(20'000, 'L');
  const std::string stream = text("hello") + frame(0x01, "frag") + ping("p") + frame(0x00, "men") + frame(0x80, "ted") + binary("") +
                             binary(large) + frame(0x02, std::string(6000, 'a')) + frame(0x80, std::string(70, 'b')) + text("end");
  const Strings expected{"hello", "fragmented", "", large, std::string(6000, 'a') + std::string(70, 'b'), "end"};
  for (const size_t step : {size_t{1}, size_t{3}, size_t{131}, size_t{1000}, size_t{4096}, stream.size()}) {
    CoreFixture fixture;
    const Peer peer = fixture.open();
    for (size_t at = 0; at < stream.size(); at += step) peer->send(stream.substr(at, step));
    while (!peer->input.empty()) fixture.turn();
    fixture.turn(2);
    REQUIRE(fixture.messages() == expected);
    CHECK((fixture.events_of(queue::kEventMessage)[0].record.flags & queue::kFlagText) != 0);
    CHECK((fixture.events_of(queue::kEventMessage)[2].record.flags & queue::kFlagText) == 0);
    CHECK(server_frames(peer->written) == std::vector<ServerFrame>{{10, "p"}});
    peer->fin = true;
    fixture.turn(2);
    fixture.check_all_free();
  }
}

TEST_CASE("core: header lines are measured and heartbeats kept to the core where the protocol has them", "[core]") {
  core::CoreOptions options;
  options.protocol = core::Protocol::kSluice;
  CoreFixture fixture(options);
  const Peer peer = fixture.open();
  const std::string beat = R"({"op":"hb"})";
  const std::string stream = text("head\nbody") + text(beat) + text("no newline") + frame(0x01, beat.substr(0, 4)) +
                             frame(0x80, beat.substr(4)) + text("\n");
  for (const char c : stream) peer->send(std::string(1, c));
  peer->send(text(beat) + text("a\nb\nc"));
  fixture.turn(3);
  std::vector<uint32_t> headers;
  for (const CoreEvent& event : fixture.events_of(queue::kEventMessage)) headers.push_back(event.record.a);
  CHECK(fixture.messages() == Strings{"head\nbody", "no newline", "\n", "a\nb\nc"});
  CHECK(headers == std::vector<uint32_t>{4, 10, 0, 1});
  peer->fin = true;
  fixture.turn(2);
  fixture.check_all_free();
}

// Numbered messages of many sizes, and the stream that carries them.
struct Traffic {
  Traffic(uint32_t seed, int count) {
    std::mt19937 random(seed);
    for (int i = 0; i < count; ++i) {
      const uint32_t length = random() % 4 == 0 ? random() % 9000 : random() % 60;
      const std::string body = std::to_string(i) + ":" + std::string(length, static_cast<char>('a' + i % 26));
      messages.push_back(body);
      const size_t cut = random() % (body.size() + 1);
      stream += random() % 3 == 0 ? frame(0x02, body.substr(0, cut)) + ping("x") + frame(0x80, body.substr(cut)) : binary(body);
    }
    for (size_t at = 0; at < stream.size();) {
      const size_t step = random() % 3 == 0 ? 1 + random() % 5 : 1 + random() % 5000;
      pieces.push_back(stream.substr(at, step));
      at += step;
    }
  }
  Strings messages;
  std::string stream;
  Strings pieces;
};

TEST_CASE("core: a full event ring holds connections back and loses and reorders nothing", "[core]") {
  for (uint32_t seed = 1; seed <= 6; ++seed) {
    queue::RegionOptions sizes = small_region();
    sizes.event_records = 8;
    CoreFixture fixture({}, sizes);
    const Peer first = fixture.open();
    const Peer second = fixture.open();
    fixture.hold_events = true;
    const Traffic one(seed, 60);
    const Traffic two(seed + 100, 60);
    for (const std::string& piece : one.pieces) first->send(piece);
    for (const std::string& piece : two.pieces) second->send(piece);
    std::mt19937 random(seed);
    for (int i = 0; i < 20'000 && fixture.messages().size() < 120; ++i) {
      fixture.turn();
      if (random() % 3 != 0) fixture.take_events(1 + random() % 5);
    }
    Strings got_one;
    Strings got_two;
    for (const CoreEvent& event : fixture.events_of(queue::kEventMessage)) {
      (event.record.slot == first->id ? got_one : got_two).push_back(event.bytes);
    }
    REQUIRE(got_one == one.messages);
    REQUIRE(got_two == two.messages);
    CHECK(fixture.counter(queue::Counter::event_ring_full) != 0);
    first->send(close(1000));
    second->fin = true;
    fixture.hold_events = false;
    fixture.turn(3);
    fixture.check_all_free();
  }
}

TEST_CASE("core: a connection that was held back within its handshake or its closing goes on", "[core]") {
  queue::RegionOptions sizes = small_region();
  sizes.event_records = 4;
  CoreFixture fixture({}, sizes);
  const Peer talker = fixture.open();
  const Peer closing = fixture.open();
  fixture.turn(2);
  fixture.hold_events = true;
  for (int i = 0; i < 6; ++i) talker->send(text("m"));
  fixture.turn();
  closing->send(text("late"));
  const Peer fresh = fixture.driver().connect();
  const std::string head = handshake();
  fresh->send(head.substr(0, 30));
  fixture.turn();
  CHECK((talker->paused && closing->paused && fresh->paused));
  fixture.close(closing, 4100);
  closing->send(close(4100));
  fresh->send(head.substr(30));
  fixture.turn();
  fixture.hold_events = false;
  fixture.turn(8);
  CHECK_FALSE(talker->paused);
  CHECK(fresh->written.compare(0, 13, "HTTP/1.1 101 ") == 0);
  CHECK(fixture.close_codes() == std::vector<uint16_t>{4100});
  CHECK(closing->closed);
  talker->fin = fresh->fin = true;
  fixture.turn(2);
  fixture.check_all_free();
}

TEST_CASE("core: a connection that breaks while it is held back leaves nothing behind", "[core]") {
  queue::RegionOptions sizes = small_region();
  sizes.event_records = 4;
  CoreFixture fixture({}, sizes);
  const Peer peer = fixture.open();
  fixture.turn(2);
  fixture.hold_events = true;
  for (int i = 0; i < 10; ++i) peer->send(text("message"));
  fixture.turn();
  REQUIRE(peer->paused);
  peer->paused = false;
  peer->input.clear();
  peer->error = ECONNRESET;
  fixture.turn();
  fixture.hold_events = false;
  fixture.turn(3);
  CHECK(fixture.close_codes() == std::vector<uint16_t>{ws::kCloseAbnormal});
  fixture.check_all_free();
}

TEST_CASE("core: without receive blocks reading waits and goes on", "[core]") {
  queue::RegionOptions sizes = small_region();
  sizes.receive_blocks = 4;
  CoreFixture fixture({}, sizes);
  const Peer peer = fixture.open();
  fixture.turn(2);
  fixture.hold_events = true;
  Strings expected;
  for (int i = 0; i < 20; ++i) {
    expected.push_back("message " + std::to_string(i));
    peer->send(text(expected.back()));
  }
  fixture.turn(3);
  CHECK(fixture.core().blocks().free_count() == 0);
  CHECK(peer->input.size() == 16);
  fixture.hold_events = false;
  fixture.turn(20);
  CHECK(fixture.messages() == expected);
  peer->fin = true;
  fixture.turn(2);
  fixture.check_all_free();
}

TEST_CASE("core: without room for assembly the connection is told 1013 and the operator once", "[core]") {
  queue::RegionOptions sizes = small_region();
  sizes.assembly_bytes = 8192;
  CoreFixture fixture({}, sizes);
  const Peer one = fixture.open();
  const Peer two = fixture.open();
  one->send(binary(std::string(30'000, 'x')));
  two->send(binary(std::string(30'000, 'y')));
  fixture.turn(3);
  CHECK(fixture.close_codes() == std::vector<uint16_t>{ws::kCloseTryLater, ws::kCloseTryLater});
  CHECK(fixture.events_of(queue::kEventNotice).size() == 1);
  CHECK(server_frames(one->written).back().code() == ws::kCloseTryLater);
  one->fin = two->fin = true;
  fixture.turn(3);
  fixture.check_all_free();
}

TEST_CASE("core: a full table refuses and serves again when rows are free", "[core]") {
  queue::RegionOptions sizes = small_region();
  sizes.connections_per_core = 2;
  CoreFixture fixture({}, sizes);
  const Peer one = fixture.open();
  const Peer two = fixture.open();
  const Peer three = fixture.driver().connect();
  fixture.turn();
  CHECK(three->refused);
  one->fin = two->fin = true;
  fixture.turn(2);
  // Closed, but not given back by the control plane.
  const Peer four = fixture.driver().connect();
  fixture.turn();
  CHECK(four->refused);
  const uint32_t before = fixture.generation(one);
  fixture.release(one);
  fixture.turn();
  const Peer five = fixture.open();
  CHECK(five->id == one->id);
  CHECK(fixture.generation(five) != before);
  CHECK(fixture.counter(queue::Counter::connections_refused) == 2);
}

}  // namespace
}  // namespace sluice::test
