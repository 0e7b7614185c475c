#include "sim/tcp/peer.hpp"

#include <catch2/catch.hpp>

#include "sim/tcp/link.hpp"
#include "sim/tcp/pattern.hpp"

using namespace sluice;
using namespace sluice::tcp;
using namespace sluice::tcp::sim;

using Block = std::pair<uint32_t, uint32_t>;

TEST_CASE("tcp: out-of-order data is kept, reported at once and delivered in order (RFC 5681 4.2, RFC 2018 4)", "[tcp]") {
  Peer peer;
  peer.open();
  peer.out.clear();
  peer.data(10, "klmno");
  WireSegment ack = peer.take();
  CHECK(peer.ack_of(ack) == 0);
  CHECK(peer.sack_of(ack, 0) == Block{10, 15});
  peer.data(20, "uvwxy");
  ack = peer.take();
  CHECK(peer.sack_of(ack, 0) == Block{20, 25});
  CHECK(peer.sack_of(ack, 1) == Block{10, 15});
  // What came last comes first, joined with what it touches.
  peer.data(5, "fghij");
  ack = peer.take();
  CHECK(peer.sack_of(ack, 0) == Block{5, 15});
  CHECK(peer.sack_of(ack, 1) == Block{20, 25});
  CHECK(peer.app().received.empty());
  peer.data(0, "abcde");
  ack = peer.take();
  CHECK(peer.ack_of(ack) == 15);
  CHECK(peer.sack_of(ack, 0) == Block{20, 25});
  CHECK(peer.app().received == "abcdefghijklmno");
  peer.data(15, "pqrst");
  ack = peer.take();
  CHECK(peer.ack_of(ack) == 25);
  CHECK(ack.options().sack_count == 0);
  CHECK(peer.app().received == "abcdefghijklmnopqrstuvwxy");
}

TEST_CASE("tcp: duplicates are reported by D-SACK (RFC 2883 4)", "[tcp]") {
  Peer peer;
  peer.open();
  peer.data(0, "abcde");
  peer.data(10, "klmno");
  peer.out.clear();
  SECTION("of what was acknowledged") {
    peer.data(0, "abcde");
    const WireSegment ack = peer.take();
    CHECK(peer.ack_of(ack) == 5);
    CHECK(peer.sack_of(ack, 0) == Block{0, 5});
    CHECK(peer.sack_of(ack, 1) == Block{10, 15});
  }
  SECTION("of what is out of order") {
    peer.data(10, "klmno");
    const WireSegment ack = peer.take();
    CHECK(peer.sack_of(ack, 0) == Block{10, 15});
    CHECK(peer.sack_of(ack, 1) == Block{10, 15});
  }
  CHECK(peer.counters().dsacks_out == 1);
}

TEST_CASE("tcp: overlapping segments give each byte once", "[tcp]") {
  Peer peer;
  peer.open();
  peer.data(4, "efgh");
  peer.data(2, "cdefghij");
  peer.data(0, "abcd");
  CHECK(peer.app().received == "abcdefghij");
  // Beginning before what is expected.
  peer.data(5, "fghijkl");
  CHECK(peer.app().received == "abcdefghijkl");
}

TEST_CASE("tcp: a FIN out of order waits for what is missing before it", "[tcp]") {
  Peer peer;
  peer.open();
  peer.send({wire::kAck | wire::kFin, 5, 0, "56789"});
  CHECK_FALSE(peer.app().ended);
  peer.data(0, "01234");
  CHECK(peer.app().received == "0123456789");
  CHECK(peer.app().ended);
  CHECK(peer.ack_of(peer.out.back()) == 11);
}

TEST_CASE("tcp: every second full segment is acknowledged, less after 40 ms (RFC 9293 3.8.6.3)", "[tcp]") {
  Peer peer;
  peer.open();
  // Behind the first ones, which are acknowledged one by one so that the peer's slow start gets under way.
  uint32_t at = 0;
  for (int i = 0; i < 20; ++i, at += 1000) peer.data(at, std::string(1000, 'x'));
  peer.wait_ms(100);
  peer.out.clear();
  peer.data(at, std::string(1000, 'x'));
  CHECK(peer.silent());
  peer.data(at + 1000, std::string(1000, 'x'));
  REQUIRE(peer.out.size() == 1);
  CHECK(peer.ack_of(peer.take()) == at + 2000);
  peer.data(at + 2000, "small");
  peer.wait_ms(39);
  CHECK(peer.silent());
  peer.wait_ms(2);
  CHECK(peer.ack_of(peer.take()) == at + 2005);
  CHECK(peer.silent());
}

TEST_CASE("tcp: an answer of the same turn carries the acknowledgement", "[tcp]") {
  Peer peer;
  peer.open();
  peer.app().echo = true;
  peer.out.clear();
  peer.data(0, "ping");
  REQUIRE(peer.out.size() == 1);
  CHECK(peer.out.front().payload() == "ping");
  CHECK(peer.ack_of(peer.out.front()) == 4);
}

TEST_CASE("tcp: once something was answered, an acknowledgement waits for the next answer (RFC 5681 4.2)", "[tcp]") {
  Peer peer;
  peer.open();
  peer.out.clear();
  peer.data(0, "slow start");
  REQUIRE(peer.out.size() == 1);
  CHECK(peer.ack_of(peer.take()) == 10);
  peer.app().echo = true;
  peer.data(10, "ping");
  REQUIRE(peer.out.size() == 1);
  CHECK(peer.ack_of(peer.take()) == 14);
  peer.app().echo = false;
  peer.data(14, "hello");
  peer.wait_ms(39);
  CHECK(peer.silent());
  peer.wait_ms(2);
  CHECK(peer.ack_of(peer.take()) == 19);
}

TEST_CASE("tcp: behind a gap four megabytes are acknowledged segment by segment, whatever is answered (RFC 5681 4.2)", "[tcp]") {
  Peer peer;
  peer.open();
  uint32_t at = 0;
  const auto next = [&] {
    peer.out.clear();
    peer.data(at, std::string(1000, 'x'));
    at += 1000;
    return !peer.silent() && peer.ack_of(peer.out.back()) == at;
  };
  for (int i = 0; i < 20; ++i) next();
  // Every second one.
  const bool odd = next();
  const bool even = next();
  CHECK(odd != even);
  peer.data(at + 1000, std::string(1000, 'x'));
  peer.data(at, std::string(1000, 'x'));
  at += 2000;
  bool each = true;
  while (at < 3'600'000) each &= next();
  CHECK(each);
  while (at < 4'300'000) next();
  peer.wait_ms(100);
  CHECK_FALSE(next());
}

TEST_CASE("tcp: while reading is paused the window closes, nothing that was promised is refused, and it opens again", "[tcp]") {
  Peer peer;
  peer.open({1460, -1, true, false, false});
  peer.host.driver->pause_reading(peer.id());
  std::string sent;
  uint32_t edge = 0;
  while (sent.size() < 65'535) {
    const std::string piece = pattern(std::min<size_t>(1460, 65'535 - sent.size()), static_cast<uint32_t>(sent.size()));
    peer.data(static_cast<uint32_t>(sent.size()), piece);
    sent += piece;
    if (peer.silent()) continue;
    const WireSegment ack = peer.out.back();
    const uint32_t told = peer.ack_of(ack) + ack.window();
    CHECK(told >= edge);  // RFC 9293 3.8.6: the right edge does not move back
    edge = told;
    peer.out.clear();
  }
  peer.wait_ms(100);
  CHECK(peer.app().received.empty());
  CHECK(peer.info().receive_queue == 65'535);
  CHECK(peer.info().receive_window == 0);
  peer.out.clear();
  // A probe of the closed window is answered (RFC 9293 3.8.6.1).
  peer.data(65'535, "!");
  REQUIRE_FALSE(peer.silent());
  CHECK(peer.out.back().window() == 0);
  CHECK(peer.ack_of(peer.out.back()) == 65'535);
  peer.out.clear();
  peer.host.driver->resume_reading(peer.id());
  peer.host.turn();
  CHECK(peer.app().received == sent);
  REQUIRE_FALSE(peer.silent());
  CHECK(peer.out.back().window() > 60'000);
}

TEST_CASE("tcp: small segments share packets while they wait to be read", "[tcp]") {
  Peer peer;
  peer.open();
  peer.host.driver->pause_reading(peer.id());
  for (uint32_t i = 0; i < 1000; ++i) peer.data(i * 10, "0123456789");
  CHECK(peer.info().receive_queue == 10'000);
  CHECK(peer.host.driver->gauges().packets_received <= 8);
}

TEST_CASE("tcp: tiny segments with holes between them do not pile up (CVE-2018-5390)", "[tcp]") {
  Peer peer;
  peer.open();
  for (uint32_t i = 1; i < 1000; ++i) peer.data(i * 2, "x");
  CHECK(peer.host.driver->gauges().packets_received <= 65);
  CHECK(peer.counters().dropped_memory > 900);
}

TEST_CASE("tcp: without a free receive block data waits, and comes when there is one", "[tcp]") {
  HostOptions options;
  options.blocks = 1;
  Peer peer(options);
  peer.open();
  const uint32_t block = [&] {
    // The driver holds the only block between receives; a sink that keeps it leaves none.
    peer.data(0, "first");
    peer.host.blocks.ref(0);
    return 0u;
  }();
  std::string sent = "first";
  for (int i = 0; i < 20; ++i) {
    const std::string piece = pattern(1400, static_cast<uint32_t>(i));
    peer.data(static_cast<uint32_t>(sent.size()), piece);
    sent += piece;
  }
  CHECK(peer.app().received.size() < sent.size());
  CHECK(peer.host.notices > 0);
  peer.host.blocks.unref(block);
  peer.wait_ms(10);
  peer.host.turn();
  CHECK(peer.app().received == sent);
}

TEST_CASE("tcp: the receive window grows with what a connection brings (RFC 7323 2.3 allows it)", "[tcp]") {
  Link link;
  const StreamId id = link.open();
  ConnectionInfo before;
  link.b.driver->describe(link.peer(), before);
  link.a.send(id, pattern(4u << 20));
  REQUIRE(link.run_until([&] { return link.b.app(link.peer()).received.size() == 4u << 20; }));
  ConnectionInfo after;
  link.b.driver->describe(link.peer(), after);
  CHECK(before.receive_window <= 65'536);
  CHECK(after.receive_window > 1u << 20);
}

TEST_CASE("tcp: bytes behind a FIN are none, whatever came of them before it", "[tcp]") {
  Peer peer;
  peer.open();
  // The peer has sent bytes behind the place where it then says that it ends; the second of them begins right behind the FIN.
  peer.data(5, "behind");
  peer.data(100, "far behind");
  peer.send({wire::kAck | wire::kFin, 0, 0, "hello"});
  CHECK(peer.app().received == "hello");
  CHECK(peer.app().ended);
  peer.host.driver->audit();
  CHECK(peer.host.driver->gauges().packets_received == 0);
}

TEST_CASE("tcp: bytes that come behind a FIN which waits for what is missing are none either", "[tcp]") {
  Peer peer;
  peer.open();
  peer.send({wire::kAck | wire::kFin, 5, 0, "world"});
  peer.data(10, "behind");
  peer.data(8, "ld and behind");
  CHECK(peer.info().out_of_order == 5);
  peer.data(0, "hello");
  CHECK(peer.app().received == "helloworld");
  CHECK(peer.app().ended);
  peer.host.driver->audit();
}

TEST_CASE("tcp: a burst of frames for which there is no packet is as if lost, and repaired", "[tcp]") {
  HostOptions small;
  small.packets = 24;
  Link link({}, small);
  const StreamId id = link.open();
  const std::string sent = pattern(300'000);
  link.a.send(id, sent);
  REQUIRE(link.run_until([&] { return link.b.app(link.peer()).received.size() == sent.size(); }));
  CHECK(link.b.app(link.peer()).received == sent);
}
