#include "sim/tcp/link.hpp"

#include <catch2/catch.hpp>

#include "sim/tcp/pattern.hpp"

using namespace sluice;
using namespace sluice::tcp::sim;

TEST_CASE("tcp: a connection opens, carries bytes both ways and closes", "[tcp]") {
  Link link;
  const StreamId id = link.open();
  link.a.send(id, "hello");
  REQUIRE(link.run_until([&] { return link.b.app(link.peer()).received == "hello"; }));
  link.b.send(link.peer(), "world");
  REQUIRE(link.run_until([&] { return link.a.app(id).received == "world"; }));
  link.a.close(id);
  REQUIRE(link.run_until([&] { return link.b.app(link.peer()).gone; }));
  link.run(1'000'000);
  CHECK(link.b.app(link.peer()).error == 0);
  CHECK(link.a.driver->gauges().time_wait == 1);
  CHECK(link.a.driver->gauges().connections == 0);
  CHECK(link.b.driver->gauges().connections == 0);
  link.run(61'000'000);
  CHECK(link.a.driver->gauges().time_wait == 0);
  CHECK(link.a.packets.out() == 0);
  CHECK(link.b.packets.out() == 0);
}

TEST_CASE("tcp: megabytes arrive as they were sent", "[tcp]") {
  Link link;
  const StreamId id = link.open();
  const std::string sent = pattern(5u << 20);
  link.a.send(id, sent);
  link.a.shutdown(id);
  REQUIRE(link.run_until([&] { return link.b.app(link.peer()).ended; }));
  CHECK(link.b.app(link.peer()).received == sent);
  CHECK(link.a.driver->tcp_counters().retransmits == 0);
  link.run(2'000'000);
  CHECK(link.b.driver->gauges().connections == 0);
  CHECK(link.a.app(id).ended);
}

TEST_CASE("tcp: bytes arrive in order whatever a tenth of the segments goes lost", "[tcp]") {
  Link link;
  uint32_t state = 7;
  const auto lossy = [&](WireSegment&) {
    state = state * 1664525u + 1013904223u;
    return state >> 24 >= 26;
  };
  const StreamId id = link.open();
  link.a_to_b = lossy;
  link.b_to_a = lossy;
  const std::string sent = pattern(1u << 20);
  link.b.app(link.peer()).echo = true;
  link.a.send(id, sent);
  REQUIRE(link.run_until([&] { return link.a.app(id).received.size() == sent.size(); }, 600'000'000));
  CHECK(link.a.app(id).received == sent);
  link.a.close(id);
  link.run(200'000'000);
  CHECK(link.a.packets.out() == 0);
  CHECK(link.b.packets.out() == 0);
}
