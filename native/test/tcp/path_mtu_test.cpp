#include "sim/tcp/link.hpp"

#include <catch2/catch.hpp>

#include "sim/tcp/pattern.hpp"
#include "sim/tcp/peer.hpp"

using namespace sluice;
using namespace sluice::tcp;
using namespace sluice::tcp::sim;

using Kind = net::IcmpError::Kind;

TEST_CASE("tcp: 'too big' about something in flight makes segments smaller at once (RFC 1191 6.5)", "[tcp]") {
  Peer peer;
  peer.open();
  peer.out.clear();
  peer.host.send(peer.id(), pattern(5'000));
  const uint32_t quoted = peer.out.front().seq();
  peer.out.clear();
  const net::Flow flow = reversed(reversed(peer.flow()));
  SECTION("as told") { peer.host.driver->on_icmp_error({Kind::kTooBig, &flow, quoted, 1'000}); }
  SECTION("a router that does not say how big (RFC 1191 7.1)") { peer.host.driver->on_icmp_error({Kind::kTooBig, &flow, quoted, 0}); }
  REQUIRE_FALSE(peer.silent());
  const uint32_t now = peer.out.front().payload_bytes();
  CHECK((now == 960 || now == 1'452));
  CHECK(peer.out.front().seq() == quoted);
  CHECK(peer.counters().path_mtu_reductions == 1);
}

TEST_CASE("tcp: ICMP errors that quote nothing in flight, or less than every path takes, are ignored (RFC 5927)", "[tcp]") {
  Peer peer;
  peer.open();
  peer.host.send(peer.id(), pattern(5'000));
  const net::Flow flow = peer.flow();
  const uint32_t mss = peer.info().mss;
  peer.host.driver->on_icmp_error({Kind::kTooBig, &flow, peer.host_isn + 1 + 60'000, 1'000});
  CHECK(peer.info().mss == mss);
  peer.host.driver->on_icmp_error({Kind::kUnreachableHard, &flow, peer.host_isn + 1, 0});
  CHECK(peer.app().error == 0);
  peer.host.driver->on_icmp_error({Kind::kTooBig, &flow, peer.host_isn + 1, 100});
  CHECK(peer.info().mss == 576 - 40);
}

TEST_CASE("tcp: a path that swallows large segments in silence is found out (RFC 2923 2.1)", "[tcp]") {
  Link link;
  const StreamId id = link.open();
  link.a_to_b = [](WireSegment& segment) { return segment.bytes.size() + 20 <= 1300; };
  const std::string sent = pattern(50'000);
  link.a.send(id, sent);
  REQUIRE(link.run_until([&] { return link.b.app(link.peer()).received.size() == sent.size(); }));
  CHECK(link.b.app(link.peer()).received == sent);
  CHECK(link.a.driver->tcp_counters().black_holes == 1);
}

TEST_CASE("tcp: unreachable ends an opening connection", "[tcp]") {
  Link link;
  uint32_t isn = 0;
  link.a_to_b = [&](WireSegment& segment) {
    isn = segment.seq();
    return false;
  };
  const StreamId id = link.a.connect(Link::server_address, 80, 5555);
  const net::Flow flow{Link::client_address, Link::server_address, 5555, 80};
  link.a.driver->on_icmp_error({Kind::kUnreachableHard, &flow, isn, 0});
  CHECK(link.a.app(id).error != 0);
}
