#include "sim/tcp/peer.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <cerrno>

#include "tcp/challenge_limit.hpp"

using namespace sluice;
using namespace sluice::tcp;
using namespace sluice::tcp::sim;

namespace {

// A segment that says nothing new but has to be answered: rcv_nxt and no more.
bool is_challenge(const Peer& peer, const WireSegment& segment, uint32_t expected) {
  return segment.flags() == wire::kAck && peer.ack_of(segment) == expected && segment.payload_bytes() == 0;
}

}  // namespace

TEST_CASE("tcp: RST ends a connection at exactly the expected number only (RFC 5961 3.2)", "[tcp]") {
  Peer peer;
  peer.open();
  peer.out.clear();
  SECTION("at rcv_nxt") {
    peer.send({wire::kRst, 0});
    CHECK(peer.app().error == ECONNRESET);
    CHECK(peer.silent());
    CHECK(peer.host.driver->gauges().connections == 0);
  }
  SECTION("elsewhere in the window it is challenged") {
    peer.send({wire::kRst, 1000});
    CHECK(peer.app().error == 0);
    REQUIRE_FALSE(peer.silent());
    CHECK(is_challenge(peer, peer.take(), 0));
  }
  SECTION("outside of the window it is ignored") {
    peer.send({wire::kRst, 100'000});
    peer.send({wire::kRst, static_cast<uint32_t>(-5)});
    CHECK(peer.app().error == 0);
    CHECK(peer.silent());
  }
}

TEST_CASE("tcp: SYN on an open connection is challenged, wherever it lies (RFC 5961 4.2)", "[tcp]") {
  Peer peer;
  peer.open();
  peer.out.clear();
  const uint32_t seq = GENERATE(0u, 1000u, 200'000u);
  peer.send({wire::kSyn, seq});
  REQUIRE_FALSE(peer.silent());
  CHECK(is_challenge(peer, peer.take(), 0));
  CHECK(peer.app().error == 0);
  peer.data(0, "still here");
  CHECK(peer.app().received == "still here");
}

TEST_CASE("tcp: acknowledgements of what was never sent, or long ago, are challenged (RFC 5961 5.2)", "[tcp]") {
  Peer peer;
  peer.open();
  peer.host.send(peer.id(), "12345");
  peer.out.clear();
  const int32_t ack = GENERATE(6, 1'000'000, -10'000'000);
  peer.data(0, "injected", static_cast<uint32_t>(ack));
  REQUIRE_FALSE(peer.silent());
  CHECK(is_challenge(peer, peer.take(), 0));
  CHECK(peer.app().received.empty());
}

TEST_CASE("tcp: challenges are limited for one connection and for all (RFC 5961 7)", "[tcp]") {
  HostOptions options;
  options.tcp.challenge_acks_per_s = 3;
  Peer peer(options);
  std::vector<uint32_t> isns;
  for (uint16_t port = 1; port <= 5; ++port) {
    peer.port = port;
    peer.open();
    isns.push_back(peer.host_isn);
  }
  peer.out.clear();
  for (int i = 0; i < 10; ++i) peer.send({wire::kSyn, 0});
  CHECK(peer.out.size() == 1);
  for (uint16_t port = 1; port <= 5; ++port) {
    peer.port = port;
    peer.host_isn = isns[port - 1u];
    peer.send({wire::kSyn, 0});
  }
  const size_t first = peer.out.size();
  CHECK((first >= 2 && first <= 4));
  CHECK(peer.counters().challenge_acks_limited == 15 - first);
  peer.wait_ms(1'000);
  peer.send({wire::kSyn, 0});
  CHECK(peer.out.size() == first + 1);
}

TEST_CASE("tcp: how many challenges there are in a second cannot be told from how many there were (CVE-2016-5696)", "[tcp]") {
  ChallengeLimit limit(100, {1, 2});
  uint32_t least = UINT32_MAX;
  uint32_t most = 0;
  uint64_t total = 0;
  constexpr uint32_t kSeconds = 200;
  for (uint32_t second = 0; second < kSeconds; ++second) {
    uint32_t taken = 0;
    for (uint32_t i = 0; i < 1'000; ++i) taken += limit.take(second * 1'000 + i) ? 1 : 0;
    least = std::min(least, taken);
    most = std::max(most, taken);
    total += taken;
  }
  CHECK(least >= 50);
  CHECK(most < 150);
  CHECK(most - least > 50);
  CHECK((total > kSeconds * 90 && total < kSeconds * 110));
  ChallengeLimit none(0, {1, 2});
  CHECK_FALSE(none.take(5));
}

TEST_CASE("tcp: a segment without ACK is dropped (RFC 9293 3.10.7.4)", "[tcp]") {
  Peer peer;
  peer.open();
  peer.out.clear();
  peer.send({0, 0, 0, "data"});
  CHECK(peer.app().received.empty());
  CHECK(peer.counters().dropped_no_ack == 1);
}

TEST_CASE("tcp: data outside of the window is not taken but answered", "[tcp]") {
  Peer peer;
  peer.open();
  peer.out.clear();
  peer.data(70'000, "far");
  CHECK(peer.app().received.empty());
  REQUIRE_FALSE(peer.silent());
  CHECK(is_challenge(peer, peer.take(), 0));
}

TEST_CASE("tcp: PAWS drops segments older than the latest timestamp, and acknowledges them (RFC 7323 5.3)", "[tcp]") {
  Peer peer;
  peer.open({1460, 7, true, true, false});
  peer.wait_ms(100);
  peer.data(0, "new");
  peer.out.clear();
  const uint32_t now = peer.clock();
  peer.send({wire::kAck, 3, 0, "old", 65'535, {}, now - 50});
  CHECK(peer.app().received == "new");
  CHECK(peer.counters().dropped_paws == 1);
  CHECK_FALSE(peer.silent());
  SECTION("RST is exempt") {
    peer.send({wire::kRst, 3, 0, "", 65'535, {}, now - 50});
    CHECK(peer.app().error == ECONNRESET);
  }
  SECTION("a segment without timestamps is dropped in silence (3.2)") {
    peer.out.clear();
    peer.timestamps = false;
    peer.data(3, "bare");
    CHECK(peer.app().received == "new");
    CHECK(peer.silent());
  }
  SECTION("after 24 idle days the peer's clock is believed again (5.5)") {
    peer.now_us += 25ull * 86'400'000'000;
    peer.send({wire::kAck, 3, 0, "late", 65'535, {}, now - 50});
    CHECK(peer.app().received == "newlate");
  }
}

TEST_CASE("tcp: the echoed timestamp is that of the segment which moved the window (RFC 7323 4.3)", "[tcp]") {
  Peer peer;
  peer.open({1460, 7, true, true, false});
  peer.out.clear();
  peer.wait_ms(10);
  const uint32_t first = peer.clock();
  peer.data(0, "a");
  peer.wait_ms(10);
  // A hole, and what fills it later with a timestamp from before: RFC 7323 4.2, figure.
  peer.data(2, "c");
  CHECK(peer.out.back().options().timestamp_echo == first);
}

TEST_CASE("tcp: urgent data is in-band, the pointer is ignored (RFC 6093 5)", "[tcp]") {
  Peer peer;
  peer.open();
  peer.send({wire::kAck | wire::kUrg, 0, 0, "urgent"});
  CHECK(peer.app().received == "urgent");
}

TEST_CASE("tcp: unknown options are skipped, impossible ones end the reading of options (RFC 9293 3.2)", "[tcp]") {
  Peer peer;
  peer.open();
  peer.raw({0, 0, peer.peer_isn + 1, peer.host_isn + 1, 100, 0, wire::kAck}, {77, 4, 1, 2}, "x");
  CHECK(peer.app().received == "x");
  peer.raw({0, 0, peer.peer_isn + 2, peer.host_isn + 1, 100, 0, wire::kAck}, {8, 1, 1, 1}, "y");
  CHECK(peer.app().received == "xy");
  CHECK(peer.counters().dropped_bad_options == 1);
}

TEST_CASE("tcp: what ends a connection counts for those of the same burst that come behind it", "[tcp]") {
  Peer peer;
  peer.open();
  const StreamId first = peer.id();
  peer.out.clear();
  peer.gathers = true;
  peer.data(0, "hello");
  peer.send({wire::kRst, 5});
  SECTION("the same flow opens anew") {
    peer.peer_isn += 100'000;
    peer.syn();
    peer.host.turn();
    CHECK(peer.host.app(first).received == "hello");
    CHECK(peer.host.app(first).error == ECONNRESET);
    const WireSegment answer = peer.take();
    CHECK(answer.flags() == (wire::kSyn | wire::kAck));
    CHECK(peer.silent());
    peer.gathers = false;
    peer.host_isn = answer.seq();
    peer.send({});
    peer.data(0, "again");
    CHECK(peer.app().received == "again");
  }
  SECTION("more of it is nobody's") {
    peer.data(5, "more");
    peer.host.turn();
    CHECK(peer.host.app(first).received == "hello");
    CHECK(peer.take().flags() == wire::kRst);
    CHECK(peer.silent());
  }
}
