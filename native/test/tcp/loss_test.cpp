#include "sim/tcp/link.hpp"

#include <catch2/catch.hpp>

#include <cerrno>

#include "sim/tcp/pattern.hpp"
#include "sim/tcp/peer.hpp"

using namespace sluice;
using namespace sluice::tcp;
using namespace sluice::tcp::sim;

namespace {

constexpr uint32_t kMss = 1460;

// Ten segments are in flight, a round trip of 50 ms is known, and `out` is empty.
struct Flight : Peer {
  explicit Flight(SynSpec syn = {}, HostOptions options = {}) : Peer(options) {
    open(syn);
    host.send(id(), "warm");
    wait_ms(50);
    ack(4);
    base = 4;
    out.clear();
    host.send(id(), pattern(200'000));
    segments = static_cast<uint32_t>(out.size());
    mss = out.front().payload_bytes();
    out.clear();
    wait_ms(50);
  }
  uint32_t at(uint32_t segment) const { return base + segment * mss; }
  // Segments that came since, as their numbers.
  std::vector<uint32_t> came() {
    std::vector<uint32_t> numbers;
    while (!silent()) {
      const WireSegment segment = take();
      if (segment.payload_bytes() != 0) numbers.push_back((seq_of(segment) - base) / mss);
    }
    return numbers;
  }
  uint32_t base = 0;
  uint32_t segments = 0;
  uint32_t mss = 0;
};

}  // namespace

TEST_CASE("tcp: a hole that three segments have passed is sent again at once (RFC 8985 6.2, RFC 6675 5)", "[tcp]") {
  Flight flight;
  REQUIRE(flight.segments >= 10);
  flight.ack(flight.at(0), {{flight.at(1), flight.at(2)}});
  flight.ack(flight.at(0), {{flight.at(1), flight.at(3)}});
  CHECK(flight.counters().fast_recoveries == 0);
  flight.out.clear();
  flight.ack(flight.at(0), {{flight.at(1), flight.at(4)}});
  const std::vector<uint32_t> came = flight.came();
  REQUIRE_FALSE(came.empty());
  CHECK(came.front() == 0);
  CHECK(flight.counters().fast_recoveries == 1);
  CHECK(flight.counters().retransmits == 1);
}

TEST_CASE("tcp: limited transmit: the first duplicates let new data out (RFC 3042)", "[tcp]") {
  const bool sack = GENERATE(true, false);
  Flight flight({1460, 7, sack, false, false});
  flight.ack(flight.at(0), sack ? std::vector<std::pair<uint32_t, uint32_t>>{{flight.at(1), flight.at(2)}}
                                : std::vector<std::pair<uint32_t, uint32_t>>{});
  CHECK(flight.came() == std::vector<uint32_t>{flight.segments});
  CHECK(flight.counters().retransmits == 0);
}

TEST_CASE("tcp: without SACK the third duplicate acknowledgement repairs, partial ones go on (RFC 5681 3.2, RFC 6582)", "[tcp]") {
  Flight flight({1460, 7, false, false, false});
  for (int i = 0; i < 2; ++i) flight.ack(flight.at(0));
  flight.out.clear();
  flight.ack(flight.at(0));
  std::vector<uint32_t> came = flight.came();
  REQUIRE_FALSE(came.empty());
  CHECK(came.front() == 0);
  // The next hole is at segment 4.
  flight.wait_ms(20);
  flight.ack(flight.at(4));
  came = flight.came();
  REQUIRE_FALSE(came.empty());
  CHECK(came.front() == 4);
  CHECK(flight.counters().retransmit_timeouts == 0);
}

TEST_CASE("tcp: recovery reduces the window once for a flight, by CUBIC's factor or Reno's (RFC 9438 4.6, RFC 5681 3.1)", "[tcp]") {
  HostOptions options;
  const bool cubic = GENERATE(true, false);
  options.tcp.congestion = cubic ? Congestion::kCubic : Congestion::kNewReno;
  Flight flight({}, options);
  const uint32_t before = flight.info().cwnd;
  const uint32_t in_flight = flight.info().in_flight;
  // Segments 0 and 5 are lost.
  flight.ack(flight.at(0), {{flight.at(1), flight.at(5)}});
  flight.ack(flight.at(0), {{flight.at(6), flight.at(10)}, {flight.at(1), flight.at(5)}});
  const uint32_t threshold = flight.info().ssthresh;
  if (cubic) {
    CHECK(threshold == static_cast<uint32_t>(before * 0.7));
  } else {
    CHECK(threshold == in_flight / 2);
  }
  flight.wait_ms(30);
  flight.ack(flight.at(5), {{flight.at(6), flight.at(10)}});
  CHECK(flight.info().ssthresh == threshold);
  flight.wait_ms(30);
  flight.ack(flight.at(10));
  CHECK(flight.counters().fast_recoveries == 1);
}

TEST_CASE("tcp: without acknowledgements the oldest segment is sent again, with doubling pauses (RFC 6298 5)", "[tcp]") {
  Peer peer;
  peer.open({1460, 7, false, false, false});  // no SACK: no tail probe before it
  peer.host.send(peer.id(), "warm");
  peer.wait_ms(50);
  peer.ack(4);
  peer.out.clear();
  peer.host.send(peer.id(), "lost");
  peer.take();
  uint64_t last_us = peer.now_us;
  std::vector<uint64_t> pauses_ms;
  for (int i = 0; i < 5; ++i) {
    while (peer.silent()) peer.wait_ms(1);
    CHECK(peer.take().payload() == "lost");
    pauses_ms.push_back((peer.now_us - last_us) / 1000);
    last_us = peer.now_us;
  }
  CHECK(pauses_ms[0] >= 200);
  CHECK(pauses_ms[0] <= 320);
  for (size_t i = 1; i < pauses_ms.size(); ++i) {
    CHECK(pauses_ms[i] >= pauses_ms[i - 1] * 2 - 3);
    CHECK(pauses_ms[i] <= pauses_ms[i - 1] * 2 + 3);
  }
  peer.ack(8);
  CHECK(peer.info().in_flight == 0);
}

TEST_CASE("tcp: a connection whose peer is gone is given up, and the application learns of it", "[tcp]") {
  HostOptions options;
  options.tcp.retries_max = 5;
  Peer peer(options);
  peer.open();
  peer.host.send(peer.id(), "anybody?");
  peer.wait_ms(60'000);
  CHECK(peer.app().error == 0);
  peer.wait_ms(10'000);
  CHECK(peer.app().error == ETIMEDOUT);
  CHECK(peer.host.packets.out() == 0);
}

TEST_CASE("tcp: a lost tail is probed for after two round trips, not after a time-out (RFC 8985 7)", "[tcp]") {
  Peer peer;
  peer.open();
  peer.host.send(peer.id(), "warm");
  peer.wait_ms(50);
  peer.ack(4);
  peer.out.clear();
  peer.host.send(peer.id(), pattern(2 * kMss));
  peer.out.clear();
  peer.wait_ms(95);
  CHECK(peer.silent());
  peer.wait_ms(20);
  REQUIRE(peer.out.size() == 1);
  CHECK(peer.seq_of(peer.take()) == 4 + kMss);  // the last one
  CHECK(peer.counters().tail_loss_probes == 1);
  CHECK(peer.counters().retransmit_timeouts == 0);
}

TEST_CASE("tcp: what came while the stack was kept from its turn is taken before its timers run", "[tcp]") {
  Peer peer;
  peer.open();
  peer.host.send(peer.id(), "warm");
  peer.wait_ms(50);
  peer.ack(4);
  peer.host.send(peer.id(), pattern(3 * kMss));
  peer.gathers = true;
  peer.now_us += 1000;
  peer.ack(4 + 3 * kMss);
  // Longer than the tail probe's pause and the time-out.
  peer.now_us += 2'000'000;
  peer.host.turn();
  CHECK(peer.info().in_flight == 0);
  CHECK(peer.counters().retransmits == 0);
  CHECK(peer.counters().retransmit_timeouts == 0);
}

TEST_CASE("tcp: timers run in the end while frames never cease to come", "[tcp]") {
  Peer peer;
  peer.open();
  peer.host.send(peer.id(), "lost");
  peer.gathers = true;
  peer.now_us += 2'000'000;
  for (int i = 0; i < 32 && peer.counters().retransmits == 0; ++i) {
    peer.ack(0);
    peer.host.turn(1);
  }
  CHECK(peer.counters().retransmits == 1);
}

TEST_CASE("tcp: a time-out that delay caused is undone: by timestamps (RFC 4015) or by F-RTO (RFC 5682)", "[tcp]") {
  const bool timestamps = GENERATE(true, false);
  Flight flight({1460, 7, true, timestamps, false});
  const uint32_t before = flight.info().cwnd;
  const uint32_t old_timestamp = flight.last_timestamp;
  while (flight.counters().retransmit_timeouts == 0) flight.wait_ms(10);
  CHECK(flight.info().cwnd <= flight.mss);
  flight.out.clear();
  // The originals were only slow: their acknowledgements come now.
  for (uint32_t i = 1; i <= 4; ++i) {
    Spec spec{wire::kAck, 0, flight.at(i)};
    if (timestamps) spec.timestamp_echo = old_timestamp;
    flight.send(spec);
  }
  CHECK(flight.counters().spurious_timeouts == 1);
  CHECK(flight.info().cwnd >= before);
}

TEST_CASE("tcp: what SACK reported is not sent again after a time-out (RFC 2018 5.1)", "[tcp]") {
  Flight flight;
  flight.ack(flight.at(0), {{flight.at(2), flight.at(4)}});
  flight.out.clear();
  while (flight.counters().retransmit_timeouts == 0) flight.wait_ms(10);
  flight.ack(flight.at(1), {{flight.at(2), flight.at(4)}});
  flight.wait_ms(1);
  flight.ack(flight.at(2), {{flight.at(2), flight.at(4)}});
  for (const uint32_t number : flight.came()) {
    CHECK(number != 2);
    CHECK(number != 3);
  }
}

TEST_CASE("tcp: SACK blocks of what was never sent change nothing", "[tcp]") {
  Flight flight;
  flight.ack(flight.at(0), {{flight.at(50), flight.at(60)}});
  flight.ack(flight.at(0), {{flight.at(3), flight.at(2)}});
  CHECK(flight.counters().sacks_invalid == 2);
  CHECK(flight.counters().fast_recoveries == 0);
}

TEST_CASE("tcp: reordering is no loss once it has been seen (RFC 8985 6.2)", "[tcp]") {
  Link link;
  const StreamId id = link.open();
  uint32_t count = 0;
  link.a_to_b = [&](WireSegment& segment) {
    // Every tenth data segment is late by a quarter of a round trip.
    if (segment.payload_bytes() != 0 && ++count % 10 == 0) segment.due_us += 2'000;
    return true;
  };
  link.us_per_kib = 100;
  link.a.send(id, pattern(2u << 20));
  REQUIRE(link.run_until([&] { return link.b.app(link.peer()).received.size() == 2u << 20; }));
  const TcpCounters& counters = link.a.driver->tcp_counters();
  CHECK(counters.retransmit_timeouts == 0);
  CHECK(counters.retransmits < 40);
}

TEST_CASE("tcp: congestion marks reduce the window without loss, once a round trip (RFC 3168 6.1)", "[tcp]") {
  Flight flight({1460, 7, true, false, true});
  const uint32_t before = flight.info().cwnd;
  flight.send({wire::kAck | wire::kEce, 0, flight.at(2)});
  flight.send({wire::kAck | wire::kEce, 0, flight.at(4)});
  CHECK(flight.info().ssthresh == static_cast<uint32_t>(before * 0.7));
  CHECK(flight.counters().ecn_reductions == 1);
  CHECK(flight.counters().retransmits == 0);
  // CWR goes with the next new data.
  while (flight.silent() || !flight.out.back().has(wire::kCwr)) {
    flight.wait_ms(5);
    const ConnectionInfo info = flight.info();
    REQUIRE(info.send_queue > 0);
    flight.send({wire::kAck, 0, flight.base + 200'000 - info.send_queue - static_cast<uint32_t>(flight.app().to_send.size()) + flight.mss});
  }
  CHECK(flight.out.back().payload_bytes() != 0);
  CHECK(flight.out.back().has(wire::kCwr));
}

TEST_CASE("tcp: a mark of the network is echoed until CWR comes (RFC 3168 6.1.3)", "[tcp]") {
  Peer peer;
  peer.open({1460, 7, true, false, true});
  peer.out.clear();
  peer.host.send(peer.id(), "new data");
  CHECK(peer.out.back().ecn == net::Ecn::kCapable0);
  peer.out.clear();
  peer.send({wire::kAck, 0, 8, "marked", 65'535, {}, -1, -1, net::Ecn::kCongestion});
  REQUIRE_FALSE(peer.silent());
  CHECK(peer.out.back().has(wire::kEce));
  CHECK(peer.out.back().ecn == net::Ecn::kNotCapable);
  peer.data(6, "more", 8);
  CHECK(peer.out.back().has(wire::kEce));
  peer.send({wire::kAck | wire::kCwr, 10, 8, "slower"});
  CHECK_FALSE(peer.out.back().has(wire::kEce));
}

TEST_CASE("tcp: slow start ends when round trips grow, before anything is lost (RFC 9406)", "[tcp]") {
  HostOptions options;
  Link link(options, options);
  link.delay_us = 20'000;
  link.us_per_kib = 800;      // 10 Mbit/s
  link.queue_us = 400'000;    // a deep queue that slow start alone would fill
  const StreamId id = link.open();
  link.a.send(id, pattern(2u << 20));
  ConnectionInfo info;
  REQUIRE(link.run_until([&] {
    link.a.driver->describe(id, info);
    return info.ssthresh < 1u << 29;
  }));
  CHECK(link.a.driver->tcp_counters().retransmits == 0);
}
