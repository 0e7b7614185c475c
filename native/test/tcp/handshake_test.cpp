#include "sim/tcp/peer.hpp"

#include <catch2/catch.hpp>

#include <cerrno>

#include "sim/tcp/link.hpp"

using namespace sluice;
using namespace sluice::tcp;
using namespace sluice::tcp::sim;

TEST_CASE("tcp: a SYN-ACK answers what the SYN offered, and nothing else (RFC 7323 2.2, RFC 2018 2)", "[tcp]") {
  Peer peer;
  SECTION("everything") {
    const WireSegment answer = peer.open({1460, 7, true, true, true});
    CHECK(peer.ack_of(answer) == 0);
    CHECK(answer.options().mss == 1460);
    CHECK(answer.options().has_window_shift);
    CHECK(answer.options().sack_permitted);
    CHECK(answer.options().has_timestamp);
    CHECK(answer.options().timestamp_echo == peer.clock());
    CHECK((answer.flags() & (wire::kEce | wire::kCwr)) == wire::kEce);
    CHECK(peer.info().mss == 1448);
  }
  SECTION("nothing") {
    const WireSegment answer = peer.open({0, -1, false, false, false});
    CHECK(answer.options().mss == 1460);
    CHECK_FALSE(answer.options().has_window_shift);
    CHECK_FALSE(answer.options().sack_permitted);
    CHECK_FALSE(answer.options().has_timestamp);
    CHECK_FALSE(answer.has(wire::kEce));
    CHECK(peer.info().mss == 536);  // RFC 9293 3.7.1
  }
  CHECK(peer.host.accepted == 1);
}

TEST_CASE("tcp: the window of a SYN is not scaled, that of later segments is (RFC 7323 2.2)", "[tcp]") {
  Peer peer;
  peer.open({1460, 4, true, false, false});
  CHECK(peer.info().send_window == 65'535u << 4);  // of the third segment
  peer.send({wire::kAck, 0, 0, "", 1000});
  CHECK(peer.info().send_window == 16'000);
}

TEST_CASE("tcp: a SYN-ACK is repeated with growing pauses, then the half-open connection is forgotten (RFC 6298 5)", "[tcp]") {
  Peer peer;
  peer.syn();
  peer.take();
  peer.wait_ms(999);
  CHECK(peer.silent());
  peer.wait_ms(2);
  CHECK(peer.take().has(wire::kSyn));
  peer.wait_ms(1'990);
  CHECK(peer.silent());
  peer.wait_ms(20);
  CHECK(peer.take().has(wire::kSyn));
  CHECK(peer.host.driver->gauges().half_open == 1);
  peer.wait_ms(70'000);
  CHECK(peer.out.size() == 3);
  CHECK(peer.host.driver->gauges().half_open == 0);
  CHECK(peer.host.accepted == 0);
}

TEST_CASE("tcp: a SYN that comes again is answered again, with the same numbers", "[tcp]") {
  Peer peer;
  peer.syn();
  const uint32_t isn = peer.take().seq();
  peer.wait_ms(300);
  peer.syn();
  REQUIRE_FALSE(peer.silent());
  CHECK(peer.take().seq() == isn);
  CHECK(peer.host.driver->gauges().half_open == 1);
}

TEST_CASE("tcp: an acknowledgement of a number that was never sent is answered by RST (RFC 9293 3.10.7.4)", "[tcp]") {
  Peer peer;
  peer.syn();
  peer.host_isn = peer.take().seq();
  peer.send({wire::kAck, 0, 77});
  const WireSegment reset = peer.take();
  CHECK(reset.flags() == wire::kRst);
  CHECK(peer.seq_of(reset) == 77);
  CHECK(peer.host.accepted == 0);
  peer.send({});
  CHECK(peer.host.accepted == 1);
}

TEST_CASE("tcp: RST for a half-open connection counts only at the expected number (RFC 5961 3.2)", "[tcp]") {
  Peer peer;
  peer.syn();
  peer.host_isn = peer.take().seq();
  peer.send({wire::kRst, 5});
  CHECK(peer.host.driver->gauges().half_open == 1);
  peer.send({wire::kRst, 0});
  CHECK(peer.host.driver->gauges().half_open == 0);
}

TEST_CASE("tcp: what belongs to no connection is answered by RST (RFC 9293 3.10.7.1)", "[tcp]") {
  Peer peer;
  peer.target = 81;
  peer.syn();
  WireSegment reset = peer.take();
  CHECK(reset.flags() == (wire::kRst | wire::kAck));
  CHECK(reset.seq() == 0);
  CHECK(reset.ack() == Peer::kIsn + 1);
  peer.raw({0, 0, 10, 4711, 100, 0, wire::kAck}, {}, "data");
  reset = peer.take();
  CHECK(reset.flags() == wire::kRst);
  CHECK(reset.seq() == 4711);
  peer.raw({0, 0, 10, 4711, 100, 0, wire::kRst}, {}, "");
  CHECK(peer.silent());
}

TEST_CASE("tcp: an application that refuses has the connection reset", "[tcp]") {
  Peer peer;
  peer.host.refuse = true;
  peer.syn();
  peer.host_isn = peer.take().seq();
  peer.send({});
  CHECK(peer.take().has(wire::kRst));
  CHECK(peer.host.driver->gauges().connections == 0);
}

TEST_CASE("tcp: data may come with the third segment of the handshake", "[tcp]") {
  Peer peer;
  peer.syn();
  peer.host_isn = peer.take().seq();
  peer.data(0, "GET /");
  CHECK(peer.app().received == "GET /");
}

TEST_CASE("tcp: initial sequence numbers differ by flow and grow with time (RFC 6528)", "[tcp]") {
  Peer peer;
  peer.syn();
  const uint32_t first = peer.take().seq();
  peer.send({wire::kRst, 0});
  peer.wait_ms(1000);
  peer.syn();
  const uint32_t second = peer.take().seq();
  CHECK(second - first == 250'000);  // a tick every four microseconds
  peer.port = 4322;
  peer.syn();
  CHECK(peer.take().seq() - second > 1'000'000);
}

TEST_CASE("tcp: an active open to a closed port fails as refused", "[tcp]") {
  Link link;
  const StreamId id = link.a.connect(Link::server_address, 99);
  link.run(100'000);
  CHECK(link.a.app(id).error == ECONNREFUSED);
}

TEST_CASE("tcp: an active open that nobody answers is given up", "[tcp]") {
  Link link;
  link.a_to_b = [](WireSegment&) { return false; };
  const StreamId id = link.a.connect(Link::server_address, 80);
  // RFC 9293 §3.8.3 (MUST-23): not before three minutes are over.
  link.run(180'000'000);
  CHECK(link.a.app(id).error == 0);
  link.run(60'000'000);
  CHECK(link.a.app(id).error == ETIMEDOUT);
  CHECK(link.a.driver->gauges().connections == 0);
}

TEST_CASE("tcp: two that open towards each other at once get one connection (RFC 9293 3.5, figure 8)", "[tcp]") {
  Link link;
  const StreamId a = link.a.connect(Link::server_address, 5000, 6000);
  const StreamId b = link.b.connect(Link::client_address, 6000, 5000);
  REQUIRE(link.run_until([&] { return link.a.app(a).connected && link.b.app(b).connected; }));
  link.a.send(a, "from a");
  link.b.send(b, "from b");
  link.run(1'000'000);
  CHECK(link.a.app(a).received == "from b");
  CHECK(link.b.app(b).received == "from a");
}

TEST_CASE("tcp: what is written before the handshake is over goes out after it, FIN included", "[tcp]") {
  Link link;
  const StreamId id = link.a.connect(Link::server_address, 80);
  link.a.send(id, "early");
  link.a.shutdown(id);
  REQUIRE(link.run_until([&] { return link.b.accepted == 1 && link.b.app(link.peer()).ended; }));
  CHECK(link.b.app(link.peer()).received == "early");
}

TEST_CASE("tcp: half-open connections of one address are bounded; others are served beside it", "[tcp]") {
  HostOptions options;
  options.tcp.half_open_per_address_max = 4;
  Peer peer(options);
  for (uint16_t port = 1; port <= 10; ++port) {
    peer.port = port;
    peer.syn();
  }
  CHECK(peer.host.driver->gauges().half_open == 4);
  CHECK(peer.counters().syn_cookies_sent == 6);
}
