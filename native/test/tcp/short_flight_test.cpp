#include <cstring>
#include <functional>

#include "sim/tcp/pattern.hpp"
#include "sim/tcp/peer.hpp"

#include <catch2/catch.hpp>

using namespace sluice;
using namespace sluice::tcp;
using namespace sluice::tcp::sim;

namespace {

// As a fan-out gives bytes to one of many.
bool deliver(Peer& peer, const std::string& bytes) {
  const auto* const data = reinterpret_cast<const uint8_t*>(bytes.data());
  const auto length = static_cast<uint32_t>(bytes.size());
  const uint32_t shared = peer.host.driver->share(data, length);
  REQUIRE(shared != 0);
  const StreamId id = peer.id();
  const bool left = peer.host.driver->write_at_once({&id, 1}, 1, {data, length, shared}) == 1;
  peer.host.driver->unshare(shared);
  peer.host.driver->flush();
  peer.host.driver->audit();
  return left;
}

std::string joined(Peer& peer) {
  std::string out;
  while (!peer.silent()) out += peer.take().payload();
  return out;
}

// How long after `act` the first segment comes, in milliseconds.
uint64_t first_after(Peer& peer, const std::function<void()>& act) {
  act();
  peer.out.clear();
  const uint64_t begin = peer.now_us;
  for (uint32_t i = 0; i < 5'000 && peer.silent(); ++i) peer.wait_ms(1);
  return (peer.now_us - begin) / 1000;
}

}  // namespace

TEST_CASE("tcp: what a fan-out sent is remembered by records until it is acknowledged", "[tcp]") {
  Peer peer;
  peer.open();
  peer.out.clear();
  const std::string bytes = pattern(GENERATE(300u, 448u, 449u, 4'000u));
  for (uint32_t round = 0; round < 3; ++round) {
    peer.now_us += 100;
    REQUIRE(deliver(peer, bytes));
    // Neither a packet for each nor the pieces stay behind.
    CHECK(peer.host.driver->gauges().active == 1);
    CHECK(peer.host.driver->gauges().packets_sending == (bytes.size() + 1447) / 1448);
    CHECK(peer.info().in_flight == bytes.size());
    CHECK(peer.info().send_queue == bytes.size());
    CHECK(joined(peer) == bytes);
    peer.now_us += 1'500;
    peer.ack(static_cast<uint32_t>((round + 1) * bytes.size()));
    peer.host.driver->audit();
    CHECK(peer.info().in_flight == 0);
    CHECK(peer.info().srtt_us > 0);
    CHECK(peer.host.driver->gauges().active == 0);
    CHECK(peer.host.packets.out() == 0);
  }
  peer.wait_ms(1'000);
  CHECK(peer.silent());
}

TEST_CASE("tcp: a peer is quiet since its last segment, were it only an acknowledgement", "[tcp]") {
  Peer peer;
  peer.open();
  peer.out.clear();
  peer.wait_ms(300);
  const uint32_t quiet_ms = peer.host.driver->quiet_ms(peer.id());
  CHECK(quiet_ms >= 300);
  REQUIRE(deliver(peer, pattern(300)));
  CHECK(peer.host.driver->quiet_ms(peer.id()) >= quiet_ms);
  peer.ack(300);
  CHECK(peer.host.driver->quiet_ms(peer.id()) == 0);
  peer.wait_ms(7);
  CHECK(peer.host.driver->quiet_ms(peer.id()) == 7);
  CHECK(peer.host.driver->quiet_ms(peer.id() + 1) == UINT32_MAX);
}

TEST_CASE("tcp: whatever comes while a fan-out's bytes are in flight finds a usual flight", "[tcp]") {
  Peer peer;
  peer.open();
  peer.out.clear();
  const std::string bytes = pattern(4'000);
  const auto size = static_cast<uint32_t>(bytes.size());
  REQUIRE(deliver(peer, bytes));
  CHECK(joined(peer) == bytes);
  SECTION("a part is acknowledged") {
    peer.ack(1'000);
    peer.wait_ms(2'000);
    REQUIRE_FALSE(peer.silent());
    while (!peer.silent()) {
      const WireSegment again = peer.take();
      CHECK(again.payload() == bytes.substr(peer.seq_of(again), again.payload_bytes()));
    }
    peer.ack(size);
  }
  SECTION("losses are reported") {
    for (uint32_t i = 0; i < 3; ++i) peer.ack(0, {{1'448, size}});
    peer.wait_ms(10);
    REQUIRE_FALSE(peer.silent());
    CHECK(peer.take().payload() == bytes.substr(0, 1'448));
    peer.ack(size);
  }
  SECTION("the peer says something, and acknowledges it with that") {
    peer.data(0, "hello", size);
    peer.received = 5;
    CHECK(peer.app().received == "hello");
    CHECK(peer.info().in_flight == 0);
  }
  SECTION("the peer says something out of order") {
    peer.data(5, " world");
    peer.data(0, "hello");
    peer.received = 11;
    CHECK(peer.app().received == "hello world");
    CHECK(peer.info().in_flight == size);
    peer.ack(size);
  }
  SECTION("more is written, alone and by a fan-out") {
    CHECK_FALSE(deliver(peer, bytes));
    peer.host.send(peer.id(), "more");
    peer.ack(size);
    peer.wait_ms(1);
    CHECK(joined(peer) == "more");
    peer.ack(size + 4);
  }
  SECTION("the application closes") {
    peer.host.close(peer.id());
    peer.wait_ms(1);
    REQUIRE_FALSE(peer.silent());
    const WireSegment fin = peer.take();
    CHECK(fin.has(wire::kFin));
    CHECK(peer.seq_of(fin) == size);
    peer.ack(size + 1);
    peer.send({wire::kAck | wire::kFin, 0, size + 1});
  }
  SECTION("the application gives it up") {
    peer.host.close(peer.id(), true);
    CHECK(peer.take().has(wire::kRst));
  }
  SECTION("the peer resets it") {
    peer.send({wire::kRst | wire::kAck, 0, 0});
    CHECK(peer.app().gone);
  }
  peer.wait_ms(100);
  CHECK(peer.host.packets.out() == 0);
  CHECK(peer.host.driver->gauges().packets_sending == 0);
  CHECK(peer.host.driver->gauges().active == 0);
}

TEST_CASE("tcp: a short flight's timer runs since it was sent", "[tcp]") {
  const std::string bytes = pattern(GENERATE(1'000u, 4'000u));
  uint64_t waited_ms[2];
  for (const bool shared : {false, true}) {
    Peer peer;
    peer.open();
    // A round trip is known.
    peer.host.send(peer.id(), "x");
    peer.now_us += 3'000;
    peer.ack(1);
    waited_ms[shared] = first_after(peer, [&] {
      if (shared) {
        REQUIRE(deliver(peer, bytes));
      } else {
        peer.host.send(peer.id(), bytes);
      }
    });
    peer.ack(static_cast<uint32_t>(1 + bytes.size()));
  }
  CHECK(waited_ms[true] >= waited_ms[false]);
  CHECK(waited_ms[true] <= waited_ms[false] + 1);
}

TEST_CASE("tcp: a transfer is there for each short flight that needs one", "[tcp]") {
  HostOptions options;
  options.tcp.active_max = 1;
  Peer peer(options);
  peer.open();
  const StreamId first = peer.id();
  peer.port = 4322;
  peer.open();
  REQUIRE(peer.id() != first);
  const std::string bytes = pattern(1'000);
  peer.out.clear();
  REQUIRE(deliver(peer, bytes));
  const auto* const data = reinterpret_cast<const uint8_t*>(bytes.data());
  CHECK(peer.host.driver->write_at_once({&first, 1}, 1, {data, 1'000}) == 0);
  peer.wait_ms(5'000);
  REQUIRE_FALSE(peer.silent());
  peer.ack(1'000);
  peer.host.driver->audit();
  CHECK(peer.host.driver->gauges().active == 0);
  CHECK(peer.host.driver->write_at_once({&first, 1}, 1, {data, 1'000}) == 1);
}

namespace {

// The next message is `at` bytes behind the first, and acknowledges `acked`. A new connection's come to be acknowledged by themselves.
void ask(Peer& peer, uint32_t at, uint32_t acked) {
  peer.data(at, "question", acked);
  peer.received = at + 8;
  peer.out.clear();
}

// A peer whose round trip is known.
void open_at(Peer& peer, uint64_t rtt_us, const SynSpec& spec = {}) {
  peer.open(spec);
  peer.host.send(peer.id(), "x");
  peer.now_us += rtt_us;
  peer.ack(1);
  peer.out.clear();
}

}  // namespace

TEST_CASE("tcp: of a short answer a record is kept, until the next message acknowledges it", "[tcp]") {
  Peer peer;
  open_at(peer, 300, {.timestamps = GENERATE(false, true)});
  const std::string answer = pattern(GENERATE(1u, 66u, 128u));
  const auto size = static_cast<uint32_t>(answer.size());
  for (uint32_t round = 0; round < 3; ++round) {
    ask(peer, round * 8, 1 + round * size);
    CHECK(peer.info().in_flight == 0);
    peer.host.send(peer.id(), answer);
    peer.host.driver->audit();
    CHECK(peer.host.packets.out() == 0);
    CHECK(peer.host.driver->gauges().active == 1);
    CHECK(peer.host.driver->gauges().packets_sending == 1);
    REQUIRE(peer.out.size() == 1);
    const WireSegment segment = peer.take();
    CHECK(segment.payload() == answer);
    CHECK(segment.has(wire::kPsh));
    CHECK(peer.seq_of(segment) == 1 + round * size);
    CHECK(peer.ack_of(segment) == 8 + round * 8);
    peer.now_us += 400;
  }
  CHECK(peer.app().received == "questionquestionquestion");
  peer.ack(1 + 3 * size);
  CHECK(peer.host.driver->gauges().active == 0);
  peer.wait_ms(1'000);
  CHECK(peer.silent());
  CHECK(peer.counters().retransmits == 0);
}

TEST_CASE("tcp: a short answer that is lost is sent again as it was", "[tcp]") {
  Peer peer;
  open_at(peer, 300);
  const std::string answer = pattern(100);
  ask(peer, 0, 1);
  peer.host.send(peer.id(), answer);
  REQUIRE(peer.take().payload() == answer);
  SECTION("as nothing comes") {
    peer.wait_ms(2'000);
    REQUIRE_FALSE(peer.silent());
    CHECK(peer.take().payload() == answer);
  }
  SECTION("as the peer says more, which acknowledges nothing") {
    ask(peer, 8, 1);
    peer.host.send(peer.id(), "more");
    CHECK(peer.take().payload() == "more");
    peer.ack(1, {{101, 105}});
    peer.wait_ms(100);
    REQUIRE_FALSE(peer.silent());
    CHECK(peer.take().payload() == answer);
    peer.ack(105);
  }
  SECTION("with the end behind it") {
    ask(peer, 8, 1);
    peer.host.close(peer.id());
    CHECK(peer.take().has(wire::kFin));
    peer.wait_ms(2'000);
    CHECK(joined(peer).starts_with(answer));
    peer.ack(102);
    peer.send({wire::kAck | wire::kFin, 16, 102});
  }
  peer.ack(101);
  peer.host.driver->audit();
  CHECK(peer.host.driver->gauges().packets_sending == 0);
  CHECK(peer.host.packets.out() == 0);
}

TEST_CASE("tcp: what is more than a short answer goes the usual way", "[tcp]") {
  Peer peer;
  std::string answer = pattern(66);
  uint32_t acked = 1;
  SECTION("it is long") {
    open_at(peer, 300);
    answer = pattern(129);
  }
  SECTION("marks of congestion are echoed") { open_at(peer, 300, {.ecn = true}); }
  SECTION("the peer is too far away for a short flight") { open_at(peer, 2'500); }
  SECTION("the peer has ended") {
    open_at(peer, 300);
    peer.app().close_on_end = false;
    peer.send({wire::kAck | wire::kFin, 0, 1});
    peer.out.clear();
  }
  SECTION("another is in flight") {
    open_at(peer, 300);
    peer.host.send(peer.id(), "one");
    CHECK(peer.host.packets.out() == 0);
    peer.out.clear();
    acked += 3;
  }
  SECTION("the window is nearly full") {
    open_at(peer, 300);
    peer.send({wire::kAck, 0, 1, "", 0});
  }
  const auto* const data = reinterpret_cast<const uint8_t*>(answer.data());
  const auto size = static_cast<uint32_t>(answer.size());
  if (size <= peer.host.driver->answers_most()) CHECK_FALSE(peer.host.driver->answer(peer.id(), {0, 0}, data, size));
  peer.host.send(peer.id(), answer);
  CHECK(peer.host.packets.out() == 1);
  peer.host.driver->audit();
  peer.wait_ms(1);
  peer.ack(acked);
  peer.wait_ms(1);
  peer.received += peer.app().ended ? 1 : 0;
  peer.ack(acked + static_cast<uint32_t>(answer.size()));
  CHECK(peer.host.driver->gauges().packets_sending == 0);
}

TEST_CASE("tcp: an answer is one segment with what stands in front of it", "[tcp]") {
  Peer peer;
  open_at(peer, 300);
  const auto answer = [&](const std::string& head, const std::string& body) {
    AnswerHead first{0xeeee'eeee, static_cast<uint32_t>(head.size())};
    std::memcpy(&first.word, head.data(), head.size());
    return peer.host.driver->answer(peer.id(), first, reinterpret_cast<const uint8_t*>(body.data()), static_cast<uint32_t>(body.size()));
  };
  uint32_t sent = 1;
  for (const std::string& head : {std::string("ab"), std::string("abcd"), std::string()}) {
    for (const uint32_t length : {0u, 1u, 3u, 15u, 16u, 17u, 64u, 120u}) {
      if (head.empty() && length == 0) continue;
      CHECK(answer(head, pattern(length)));
      REQUIRE(peer.out.size() == 1);
      CHECK(peer.take().payload() == head + pattern(length));
      CHECK_FALSE(answer("ab", "in flight"));
      CHECK(peer.silent());
      sent += static_cast<uint32_t>(head.size()) + length;
      peer.now_us += 200;
      peer.ack(sent);
    }
  }
  peer.host.close(peer.id());
  CHECK_FALSE(answer("", "gone"));
}
