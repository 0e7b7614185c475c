#include "sim/tcp/link.hpp"

#include <catch2/catch.hpp>

#include <cerrno>

#include "sim/tcp/pattern.hpp"
#include "sim/tcp/peer.hpp"

using namespace sluice;
using namespace sluice::tcp;
using namespace sluice::tcp::sim;

TEST_CASE("tcp: half-close: what is sent after the peer's FIN still arrives (RFC 9293 3.6)", "[tcp]") {
  Link link;
  const StreamId id = link.open();
  link.b.app(link.peer()).close_on_end = false;
  link.a.shutdown(id);
  REQUIRE(link.run_until([&] { return link.b.app(link.peer()).ended; }));
  const std::string sent = pattern(100'000);
  link.b.send(link.peer(), sent);
  REQUIRE(link.run_until([&] { return link.a.app(id).received == sent; }));
  link.b.close(link.peer());
  REQUIRE(link.run_until([&] { return link.a.app(id).ended; }));
  link.run(1'000'000);
  CHECK(link.b.driver->gauges().connections == 0);
}

TEST_CASE("tcp: both sides close at once (RFC 9293 3.6, figure 13)", "[tcp]") {
  Link link;
  const StreamId id = link.open();
  link.a.close(id);
  link.b.close(link.peer());
  link.run(1'000'000);
  CHECK(link.a.driver->gauges().time_wait == 1);
  CHECK(link.b.driver->gauges().time_wait == 1);
  CHECK(link.a.driver->gauges().connections == 0);
  CHECK(link.b.driver->gauges().connections == 0);
}

TEST_CASE("tcp: close sends what was written before its FIN", "[tcp]") {
  Link link;
  const StreamId id = link.open();
  const std::string sent = pattern(40'000);
  link.a.send(id, sent);
  link.a.close(id);
  REQUIRE(link.run_until([&] { return link.b.app(link.peer()).ended; }));
  CHECK(link.b.app(link.peer()).received == sent);
}

TEST_CASE("tcp: the FIN goes with the last bytes", "[tcp]") {
  Peer peer;
  peer.open();
  peer.out.clear();
  const std::string said = "the last";
  const IoSlice slice{reinterpret_cast<const uint8_t*>(said.data()), static_cast<uint32_t>(said.size())};
  peer.host.app(peer.id()).to_send = said;
  peer.host.driver->write_last(peer.id(), &slice, 1);
  peer.host.close(peer.id());
  REQUIRE(peer.out.size() == 1);
  CHECK(peer.out.front().has(wire::kFin));
  CHECK(peer.out.front().payload_bytes() == said.size());
  peer.send({wire::kAck | wire::kFin, 0, 9});
  CHECK(peer.host.driver->gauges().time_wait == 1);
  CHECK(peer.host.driver->gauges().active == 0);
}

TEST_CASE("tcp: an id may be used again at once after close", "[tcp]") {
  Link link;
  const StreamId first = link.open();
  link.a.close(first);
  const StreamId second = link.a.connect(Link::server_address, 80);
  CHECK(second == first);
  REQUIRE(link.run_until([&] { return link.a.app(second).connected; }));
  link.a.send(second, "again");
  link.run(1'000'000);
  CHECK(link.b.app(link.peer()).received == "again");
}

TEST_CASE("tcp: closing with bytes unread resets, as they are lost (RFC 2525 2.17)", "[tcp]") {
  Peer peer;
  peer.open();
  peer.host.driver->pause_reading(peer.id());
  peer.data(0, "unread");
  peer.out.clear();
  peer.host.close(peer.id());
  CHECK(peer.take().has(wire::kRst));
}

TEST_CASE("tcp: data for an application that is gone is answered by RST (RFC 9293 3.6.1)", "[tcp]") {
  Peer peer;
  peer.open();
  peer.host.close(peer.id());
  CHECK(peer.take().has(wire::kFin));
  peer.data(0, "too late", 1);
  CHECK(peer.out.back().has(wire::kRst));
  CHECK(peer.host.driver->gauges().connections == 0);
}

TEST_CASE("tcp: close with reset sends RST and forgets", "[tcp]") {
  Peer peer;
  peer.open();
  peer.host.close(peer.id(), true);
  const WireSegment reset = peer.take();
  CHECK(reset.has(wire::kRst));
  CHECK(peer.seq_of(reset) == 0);
  CHECK(peer.host.driver->gauges().connections == 0);
}

TEST_CASE("tcp: FIN is sent again until it is acknowledged, then the orphan is given up", "[tcp]") {
  Peer peer;
  peer.open();
  peer.host.close(peer.id());
  peer.take();
  peer.wait_ms(2'000);
  CHECK(peer.take().has(wire::kFin));
  CHECK(peer.host.driver->gauges().orphans == 1);
  peer.wait_ms(400'000);
  CHECK(peer.host.driver->gauges().connections == 0);
  CHECK(peer.out.back().has(wire::kRst));
}

TEST_CASE("tcp: FIN-WAIT-2 without an application ends after a minute", "[tcp]") {
  Peer peer;
  peer.open();
  peer.host.close(peer.id());
  peer.ack(1);
  CHECK(peer.host.driver->gauges().connections == 1);
  peer.wait_ms(59'000);
  CHECK(peer.host.driver->gauges().connections == 1);
  peer.wait_ms(2'000);
  CHECK(peer.host.driver->gauges().connections == 0);
}

TEST_CASE("tcp: all connections may close at once, and none of them holds a packet or a transfer", "[tcp]") {
  HostOptions options;
  options.tcp.capacity = 200;
  options.tcp.orphans_max = 4;
  options.packets = 64;
  Peer peer(options);
  for (uint16_t port = 1; port <= 200; ++port) {
    peer.port = port;
    peer.open();
  }
  for (StreamId id = 0; id < 200; ++id) peer.host.close(id);
  CHECK(peer.out.size() == 200);
  CHECK(peer.host.driver->gauges().orphans == 200);
  CHECK(peer.host.driver->gauges().active == 0);
  CHECK(peer.host.driver->gauges().packets_sending == 0);
  CHECK(peer.host.packets.out() == 0);
  // No answer comes from anybody: each FIN is sent again.
  peer.out.clear();
  peer.wait_ms(1'100);
  CHECK(peer.out.size() == 200);
  for (const WireSegment& segment : peer.out) CHECK((segment.has(wire::kFin) && !segment.has(wire::kRst)));
  CHECK(peer.counters().orphans_killed == 0);
  peer.wait_ms(200'000);
  CHECK(peer.host.driver->gauges().connections == 0);
}

TEST_CASE("tcp: a FIN that finds no packet to spare is sent when there is one", "[tcp]") {
  Peer peer;
  peer.open();
  peer.host.packets.exhausted = true;
  peer.host.close(peer.id());
  peer.wait_ms(100);
  CHECK(peer.silent());
  peer.host.packets.exhausted = false;
  peer.wait_ms(20);
  REQUIRE_FALSE(peer.silent());
  CHECK(peer.take().has(wire::kFin));
  peer.send({wire::kAck | wire::kFin, 0, 1});
  CHECK(peer.host.driver->gauges().time_wait == 1);
}

TEST_CASE("tcp: where no row is free a connection takes that of an orphan, first one whose peer has been told everything", "[tcp]") {
  HostOptions options;
  options.tcp.capacity = 2;
  options.tcp.orphans_max = 1;
  Peer peer(options);
  for (uint16_t port = 1; port <= 3; ++port) {
    peer.port = port;
    peer.open();
    peer.host.close(peer.id());
  }
  CHECK(peer.host.driver->gauges().orphans == 3);
  CHECK(peer.counters().orphans_killed == 0);
  peer.port = 4;
  peer.open();
  CHECK(peer.counters().orphans_killed == 1);
  // The oldest had not acknowledged its FIN: it is told.
  REQUIRE(peer.out.size() == 1);
  CHECK((peer.out.back().has(wire::kRst) && peer.out.back().flow.remote_port == 80 && peer.out.back().flow.local_port == 1));
  CHECK(peer.host.driver->gauges().orphans == 2);
  CHECK(peer.host.driver->gauges().connections == 3);
  peer.data(0, "served");
  CHECK(peer.app().received == "served");
}

TEST_CASE("tcp: an orphan whose FIN has arrived gives way without a word", "[tcp]") {
  HostOptions options;
  options.tcp.capacity = 1;
  options.tcp.orphans_max = 1;
  Peer peer(options);
  peer.port = 1;
  peer.open();
  peer.host.close(peer.id());
  peer.port = 2;
  peer.open();
  peer.host.close(peer.id());
  peer.ack(1);
  peer.port = 3;
  peer.open();
  CHECK(peer.counters().orphans_killed == 1);
  CHECK(peer.silent());
  CHECK(peer.counters().resets_out == 0);
  CHECK(peer.host.driver->gauges().orphans == 1);
}

TEST_CASE("tcp: orphans with bytes that are not acknowledged are bounded, those beyond are reset", "[tcp]") {
  HostOptions options;
  options.tcp.orphans_sending_max = 3;
  Peer peer(options);
  for (uint16_t port = 1; port <= 5; ++port) {
    peer.port = port;
    peer.open();
    peer.host.send(peer.id(), "bytes");
    peer.host.close(peer.id());
  }
  CHECK(peer.host.driver->gauges().orphans == 3);
  CHECK(peer.counters().orphans_killed == 2);
}

namespace {

// The host closes first and stands in TIME-WAIT.
void into_time_wait(Peer& peer, bool timestamps) {
  peer.open({1460, 7, true, timestamps, false});
  peer.host.close(peer.id());
  peer.wait_ms(1);
  peer.send({wire::kAck | wire::kFin, 0, 1});
  CHECK(peer.host.driver->gauges().time_wait == 1);
  CHECK(peer.host.driver->gauges().connections == 0);
  CHECK(peer.ack_of(peer.out.back()) == 1);
  peer.out.clear();
}

}  // namespace

TEST_CASE("tcp: TIME-WAIT acknowledges a FIN that comes again and starts anew (RFC 9293 3.10.7.4)", "[tcp]") {
  Peer peer;
  into_time_wait(peer, false);
  peer.wait_ms(50'000);
  peer.send({wire::kAck | wire::kFin, 0, 1});
  REQUIRE_FALSE(peer.silent());
  CHECK(peer.ack_of(peer.take()) == 1);
  peer.wait_ms(50'000);
  CHECK(peer.host.driver->gauges().time_wait == 1);
  peer.wait_ms(11'000);
  CHECK(peer.host.driver->gauges().time_wait == 0);
}

TEST_CASE("tcp: RST does not end TIME-WAIT (RFC 1337)", "[tcp]") {
  Peer peer;
  into_time_wait(peer, false);
  peer.send({wire::kRst, 1, 1});
  CHECK(peer.host.driver->gauges().time_wait == 1);
}

TEST_CASE("tcp: a newer SYN takes a flow out of TIME-WAIT, an older one does not (RFC 6191)", "[tcp]") {
  Peer peer;
  SECTION("newer by timestamp") {
    into_time_wait(peer, true);
    peer.wait_ms(5);
    peer.peer_isn -= 500;
    peer.open({1460, 7, true, true, false});
    CHECK(peer.host.accepted == 2);
    CHECK(peer.counters().time_wait_reused == 1);
  }
  SECTION("newer by number") {
    into_time_wait(peer, false);
    const uint32_t before = peer.host_isn;
    peer.peer_isn += 500;
    peer.open({1460, 7, true, false, false});
    CHECK(peer.host.accepted == 2);
    CHECK(static_cast<int32_t>(peer.host_isn - before) > 0);
  }
  SECTION("older") {
    into_time_wait(peer, false);
    peer.peer_isn -= 500;
    peer.wait_ms(600);
    peer.syn({1460, 7, true, false, false});
    CHECK_FALSE(peer.take().has(wire::kSyn));
    CHECK(peer.host.accepted == 1);
  }
}

TEST_CASE("tcp: TIME-WAIT is bounded, the oldest goes first", "[tcp]") {
  HostOptions options;
  options.tcp.time_wait_max = 2;
  Peer peer(options);
  for (uint16_t port = 1; port <= 3; ++port) {
    peer.port = port;
    peer.open({1460, 7, true, false, false});
    peer.host.close(peer.id());
    peer.send({wire::kAck | wire::kFin, 0, 1});
  }
  CHECK(peer.host.driver->gauges().time_wait == 2);
  CHECK(peer.counters().time_wait_evicted == 1);
  peer.out.clear();
  peer.port = 1;
  peer.send({wire::kAck | wire::kFin, 0, 1});
  CHECK(peer.take().has(wire::kRst));
}

TEST_CASE("tcp: the end waits until a paused application has read everything", "[tcp]") {
  Peer peer;
  peer.open();
  peer.host.driver->pause_reading(peer.id());
  peer.send({wire::kAck | wire::kFin, 0, 0, "last words"});
  CHECK_FALSE(peer.app().ended);
  peer.host.driver->resume_reading(peer.id());
  peer.host.turn();
  CHECK(peer.app().received == "last words");
  CHECK(peer.app().ended);
}

TEST_CASE("tcp: RST after both sides have closed takes nothing from an application that still reads (RFC 9293 3.10.7.4)", "[tcp]") {
  Peer peer;
  peer.open();
  peer.host.driver->pause_reading(peer.id());
  peer.app().close_on_end = false;
  peer.host.shutdown(peer.id());
  peer.send({wire::kAck | wire::kFin, 0, 1, "last words"});
  peer.send({wire::kRst, 11, 1});
  CHECK(peer.app().error == 0);
  peer.host.driver->resume_reading(peer.id());
  peer.host.turn();
  CHECK(peer.app().received == "last words");
  CHECK(peer.app().ended);
  CHECK(peer.app().error == 0);
}

TEST_CASE("tcp: RST for the last acknowledgement of a close is no error", "[tcp]") {
  Peer peer;
  peer.open();
  peer.app().close_on_end = false;
  peer.send({wire::kAck | wire::kFin, 0, 0});
  peer.host.shutdown(peer.id());
  peer.send({wire::kRst, 1, 0});
  CHECK(peer.app().error == 0);
  CHECK(peer.host.driver->gauges().connections == 0);
}
