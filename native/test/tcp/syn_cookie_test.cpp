#include "sim/tcp/link.hpp"

#include <catch2/catch.hpp>

#include "sim/tcp/pattern.hpp"
#include "sim/tcp/peer.hpp"
#include "tcp/spent_cookies.hpp"

using namespace sluice;
using namespace sluice::tcp;
using namespace sluice::tcp::sim;

namespace {

HostOptions only_cookies() {
  HostOptions options;
  options.tcp.syn_cookies_always = true;
  return options;
}

}  // namespace

TEST_CASE("tcp: a SYN cookie keeps MSS, window scale and SACK through timestamps (RFC 4987 3.6)", "[tcp]") {
  Peer peer(only_cookies());
  const WireSegment answer = peer.open({1400, 9, true, true, false});
  CHECK(answer.options().sack_permitted);
  CHECK(peer.host.driver->gauges().half_open == 0);
  REQUIRE(peer.host.accepted == 1);
  const ConnectionInfo info = peer.info();
  CHECK(info.mss == 1360 - 12);
  CHECK(info.send_window == 65'535u << 9);
  // Out of order: SACK was agreed on.
  peer.data(10, "later");
  CHECK(peer.sack_of(peer.out.back(), 0) == std::pair<uint32_t, uint32_t>{10, 15});
}

TEST_CASE("tcp: a SYN cookie without timestamps keeps the MSS", "[tcp]") {
  Peer peer(only_cookies());
  const WireSegment answer = peer.open({1460, 9, true, false, false});
  CHECK_FALSE(answer.options().has_window_shift);
  CHECK_FALSE(answer.options().sack_permitted);
  REQUIRE(peer.host.accepted == 1);
  CHECK(peer.info().mss == 1460);
  CHECK(peer.info().send_window == 65'535);
}

TEST_CASE("tcp: the first data brings a cookie's connection up where the acknowledgement was lost", "[tcp]") {
  Peer peer(only_cookies());
  peer.syn({1460, 9, true, true, false});
  const WireSegment answer = peer.take();
  peer.host_isn = answer.seq();
  peer.timestamps = true;
  peer.last_timestamp = answer.options().timestamp;
  peer.data(0, "hello");
  REQUIRE(peer.host.accepted == 1);
  CHECK(peer.app().received == "hello");
}

TEST_CASE("tcp: forged and stale cookies open nothing", "[tcp]") {
  Peer peer(only_cookies());
  peer.syn();
  peer.host_isn = peer.take().seq();
  SECTION("another acknowledgement") { peer.send({wire::kAck, 0, 1u << 6}); }
  SECTION("another number of the peer's") { peer.send({wire::kAck, 1, 0}); }
  SECTION("another port") {
    peer.port = 999;
    peer.send({});
  }
  SECTION("too old") {
    peer.wait_ms(66'000);
    peer.send({});
  }
  CHECK(peer.host.accepted == 0);
  CHECK(peer.counters().syn_cookies_bad + peer.counters().dropped_no_connection != 0);
}

TEST_CASE("tcp: a cookie opens one connection: what comes of it again is nobody's", "[tcp]") {
  enum class End { kOurReset, kPeersReset, kFins };
  const End end = GENERATE(End::kOurReset, End::kPeersReset, End::kFins);
  Peer peer(only_cookies());
  peer.open();
  peer.data(0, "hello");
  REQUIRE(peer.app().received == "hello");
  if (end == End::kOurReset) peer.host.close(peer.id(), true);
  if (end == End::kPeersReset) peer.send({wire::kRst, 5});
  if (end == End::kFins) {
    peer.send({wire::kAck | wire::kFin, 5});
    peer.send({wire::kAck, 6, 1});
  }
  REQUIRE(peer.host.driver->gauges().connections == 0);
  peer.out.clear();
  SECTION("the first segment") { peer.data(0, "hello"); }
  SECTION("one behind it") { peer.data(5, " again"); }
  SECTION("later, while the cookie is good") {
    peer.wait_ms(30'000);
    peer.data(0, "hello");
  }
  CHECK(peer.host.accepted == 1);
  CHECK(peer.host.driver->gauges().connections == 0);
  REQUIRE(peer.out.size() == 1);
  CHECK(peer.out.front().has(wire::kRst));
  CHECK(peer.seq_of(peer.out.front()) == 0);
}

TEST_CASE("tcp: a cookie that is spent is nobody else's", "[tcp]") {
  Peer peer(only_cookies());
  const auto open_and_reset = [&] {
    peer.open();
    peer.host.close(peer.id(), true);
  };
  open_and_reset();
  SECTION("another opening of the same port") {
    peer.peer_isn += 70'001;
    open_and_reset();
  }
  SECTION("another port") {
    ++peer.port;
    open_and_reset();
  }
  SECTION("the same SYN in the next period") {
    peer.wait_ms(40'000);
    open_and_reset();
  }
  CHECK(peer.host.accepted == 2);
}

TEST_CASE("tcp: a cookie whose connection was refused opens it yet when there is room", "[tcp]") {
  Peer peer(only_cookies());
  peer.host.refuse = true;
  peer.open();
  REQUIRE(peer.take().has(wire::kRst));
  peer.host.refuse = false;
  peer.data(0, "hello");
  REQUIRE(peer.host.accepted == 1);
  CHECK(peer.app().received == "hello");
}

TEST_CASE("tcp: of spent cookies as many are remembered as there is room for, the oldest forgotten first", "[tcp]") {
  SpentCookies spent(16);
  CHECK_FALSE(spent.has(0));
  for (uint64_t name = 0; name < 17; ++name) spent.add(name << 32 | name * 7);
  CHECK_FALSE(spent.has(0));
  for (uint64_t name = 1; name < 17; ++name) CHECK(spent.has(name << 32 | name * 7));
}

TEST_CASE("tcp: a client that answers the cookie is let in though its second SYN found room for a record", "[tcp]") {
  HostOptions options;
  options.tcp.half_open_max = 1;
  Peer peer(options);
  peer.port = 77;
  peer.syn();
  const uint32_t other_isn = peer.take().seq();
  peer.port = Peer::kPort;
  peer.syn();
  const WireSegment cookie = peer.take();
  REQUIRE(peer.counters().syn_cookies_sent == 1);
  // The first connection's handshake ends, and with it its record.
  peer.port = 77;
  peer.host_isn = other_isn;
  peer.send({});
  REQUIRE(peer.host.driver->gauges().half_open == 0);
  peer.port = Peer::kPort;
  peer.wait_ms(1000);
  peer.out.clear();
  peer.syn();
  REQUIRE(peer.host.driver->gauges().half_open == 1);
  const WireSegment answer = peer.take();
  REQUIRE(answer.seq() != cookie.seq());
  SECTION("by its acknowledgement") {
    peer.host_isn = cookie.seq();
    peer.send({});
    CHECK(peer.silent());
    peer.data(0, "honest");
  }
  SECTION("by its data, of which the first segment was lost") {
    peer.host_isn = cookie.seq();
    peer.data(6, " client");
    CHECK_FALSE(peer.take().has(wire::kRst));
    peer.data(0, "honest");
  }
  CHECK(peer.host.driver->gauges().half_open == 0);
  CHECK(peer.host.accepted == 2);
  CHECK(peer.app().received.substr(0, 6) == "honest");
  CHECK(peer.counters().resets_out == 0);
}

TEST_CASE("tcp: a flood of SYNs costs no memory and keeps nobody out", "[tcp]") {
  HostOptions options;
  options.tcp.half_open_max = 8;
  Peer peer(options);
  for (uint32_t i = 0; i < 1000; ++i) {
    peer.port = static_cast<uint16_t>(10'000 + i);
    peer.syn();
  }
  CHECK(peer.host.driver->gauges().half_open == 8);
  CHECK(peer.host.packets.out() == 0);
  peer.out.clear();
  peer.port = 77;
  peer.open({1460, 7, true, true, false});
  CHECK(peer.host.accepted == 1);
  peer.data(0, "honest");
  CHECK(peer.app().received == "honest");
}

TEST_CASE("tcp: half-open connections that are due at once are answered a few a turn, so that nobody else waits for all of them", "[tcp]") {
  HostOptions options;
  options.tcp.half_open_max = 1000;
  options.tcp.half_open_per_address_max = 1000;
  Peer peer(options);
  for (uint16_t port = 10'000; port < 11'000; ++port) {
    peer.port = port;
    peer.syn();
  }
  peer.out.clear();
  peer.now_us += 1'001'000;
  peer.host.turn();
  CHECK(peer.out.size() == 256);
  peer.wait_ms(1);
  CHECK(peer.out.size() == 1000);
}
