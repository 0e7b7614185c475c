#include "sim/tcp/link.hpp"

#include <catch2/catch.hpp>

#include <vector>

using namespace sluice;
using namespace sluice::tcp;
using namespace sluice::tcp::sim;

namespace {

HostOptions with(bool sack) {
  HostOptions options;
  options.tcp.capacity = 256;
  options.tcp.sack = sack;
  return options;
}

// Two crowds of connections that know a round trip of 10 ms, over a path that has one of 380 ms since.
struct Crowds : Link {
  Crowds(uint32_t count, bool sack) : Link(with(sack), with(sack)) {
    for (auto* crowd : {&first, &second}) {
      for (uint32_t i = 0; i < count; ++i) crowd->push_back(open());
      say(*crowd);
    }
    run(1'000'000);
    delay_us = 190'000;
  }
  void say(const std::vector<StreamId>& ids) {
    for (const StreamId id : ids) a.send(id, "said");
  }
  // Time-outs, and the probes that go in their place where SACK was agreed on (RFC 8985 §7).
  uint64_t again() const { return a.driver->tcp_counters().retransmits; }

  std::vector<StreamId> first;
  std::vector<StreamId> second;
};

}  // namespace

TEST_CASE("tcp: where many acknowledgements are late others are given a second before anything is sent again (RFC 6298 2.4)", "[tcp]") {
  Crowds link(100, GENERATE(true, false));
  link.say(link.first);
  link.run(700'000);
  CHECK(link.again() == 100);
  link.say(link.second);
  link.run(900'000);
  CHECK(link.again() == 100);
}

TEST_CASE("tcp: a few late acknowledgements are no other connection's concern", "[tcp]") {
  Crowds link(20, GENERATE(true, false));
  link.say(link.first);
  link.run(700'000);
  CHECK(link.again() == 20);
  link.say(link.second);
  link.run(900'000);
  CHECK(link.again() == 40);
}

TEST_CASE("tcp: once acknowledgements are in time again a loss is repaired as soon as before", "[tcp]") {
  Crowds link(100, GENERATE(true, false));
  link.say(link.first);
  link.run(700'000);
  link.delay_us = 5'000;
  link.run(1'500'000);
  bool lost = false;
  link.a_to_b = [&](WireSegment& segment) {
    const bool first = !lost && segment.payload_bytes() != 0;
    lost |= first;
    return !first;
  };
  link.a.send(link.second.front(), "lost once");
  link.run(300'000);
  CHECK(lost);
  ConnectionInfo info;
  REQUIRE(link.a.driver->describe(link.second.front(), info));
  CHECK(info.in_flight == 0);
}
