#include "sim/tcp/peer.hpp"

#include <catch2/catch.hpp>

#include <cerrno>

#include "sim/tcp/link.hpp"
#include "sim/tcp/pattern.hpp"

using namespace sluice;
using namespace sluice::tcp;
using namespace sluice::tcp::sim;

namespace {

uint32_t payload_out(Peer& peer) {
  uint32_t bytes = 0;
  while (!peer.silent()) bytes += peer.take().payload_bytes();
  return bytes;
}

}  // namespace

TEST_CASE("tcp: the first flight is ten segments (RFC 6928)", "[tcp]") {
  Peer peer;
  peer.open();
  peer.out.clear();
  peer.host.send(peer.id(), pattern(100'000));
  CHECK(peer.out.size() == 10);
  CHECK(payload_out(peer) == 14'600);
}

TEST_CASE("tcp: slow start doubles the flight with each round trip (RFC 5681 3.1)", "[tcp]") {
  Peer peer;
  peer.open();
  peer.out.clear();
  peer.host.send(peer.id(), pattern(200'000));
  uint32_t acked = 0;
  uint32_t flight = payload_out(peer);
  for (const uint32_t expected : {29'200u, 58'400u}) {
    peer.wait_ms(50);
    for (uint32_t end = acked + flight; acked < end;) {
      acked = std::min(end, acked + 2 * 1460);
      peer.ack(acked);
    }
    flight = payload_out(peer);
    CHECK(flight == expected);
  }
}

TEST_CASE("tcp: a segment is as large as the peer's MSS, MTU and timestamps allow (RFC 6691)", "[tcp]") {
  HostOptions options;
  SECTION("peer") {
    Peer peer;
    peer.open({1000, 7, true, true, false});
    peer.out.clear();
    peer.host.send(peer.id(), pattern(5'000));
    CHECK(peer.take().payload_bytes() == 988);
  }
  SECTION("packets smaller than the MTU") {
    options.mtu = 9000;
    options.room = 2048;
    Peer peer(options);
    // The peer may send jumbo segments all the same: what comes may lie in several packets.
    CHECK(peer.open({8960, 7, true, false, false}).options().mss == 8960);
    peer.out.clear();
    peer.host.send(peer.id(), pattern(5'000));
    CHECK(peer.take().payload_bytes() == 2048);
    CHECK(payload_out(peer) == 5'000 - 2048);
  }
  SECTION("interface") {
    options.mtu = 1280;
    Peer peer(options);
    peer.open({1460, 7, true, false, false});
    peer.out.clear();
    peer.host.send(peer.id(), pattern(5'000));
    CHECK(peer.take().payload_bytes() == 1240);
  }
}

TEST_CASE("tcp: small writes of one turn leave as one segment", "[tcp]") {
  Peer peer;
  peer.open();
  peer.out.clear();
  const std::string a = "one ";
  const std::string b = "two ";
  const std::string c = "three";
  peer.host.app(peer.id()).to_send = a + b + c;
  const IoSlice slices[3] = {{reinterpret_cast<const uint8_t*>(a.data()), 4},
                             {reinterpret_cast<const uint8_t*>(b.data()), 4},
                             {reinterpret_cast<const uint8_t*>(c.data()), 5}};
  peer.host.driver->write(peer.id(), slices, 3);
  REQUIRE(peer.out.size() == 1);
  CHECK(peer.out.front().payload() == "one two three");
  CHECK(peer.out.front().has(wire::kPsh));
}

TEST_CASE("tcp: Nagle holds a small segment back while another is unacknowledged (RFC 9293 3.7.4)", "[tcp]") {
  HostOptions options;
  options.tcp.nagle = true;
  Peer peer(options);
  peer.open();
  peer.out.clear();
  peer.host.send(peer.id(), "a");
  peer.host.send(peer.id(), "b");
  peer.host.send(peer.id(), "c");
  REQUIRE(peer.out.size() == 1);
  peer.ack(1);
  REQUIRE(peer.out.size() == 2);
  CHECK(peer.out.back().payload() == "bc");
}

TEST_CASE("tcp: the peer's window bounds what is in flight", "[tcp]") {
  Peer peer;
  peer.open({1460, -1, true, false, false});
  peer.send({wire::kAck, 0, 0, "", 3'000});
  peer.out.clear();
  peer.host.send(peer.id(), pattern(20'000));
  CHECK(payload_out(peer) == 2'920);  // two segments; what is left of the window is too small for a third (RFC 9293 3.8.6.2.1)
}

TEST_CASE("tcp: a closed window is probed with growing pauses for as long as the peer answers (RFC 9293 3.8.6.1)", "[tcp]") {
  Peer peer;
  peer.open({1460, -1, true, false, false});
  peer.send({wire::kAck, 0, 0, "", 0});
  peer.out.clear();
  peer.host.send(peer.id(), "waiting");
  CHECK(peer.silent());
  uint64_t probes = 0;
  for (int minutes = 0; minutes < 60; ++minutes) {
    peer.wait_ms(60'000);
    while (!peer.silent()) {
      const WireSegment probe = peer.take();
      ++probes;
      CHECK(probe.payload_bytes() <= 1);
      peer.send({wire::kAck, 0, 0, "", 0});
    }
  }
  CHECK(probes >= 30);
  CHECK(probes <= 80);
  CHECK(peer.app().error == 0);
  peer.send({wire::kAck, 0, 0, "", 1000});
  REQUIRE_FALSE(peer.silent());
  CHECK(peer.take().payload() == "waiting");
}

TEST_CASE("tcp: a closed window whose peer is gone ends the connection", "[tcp]") {
  Peer peer;
  peer.open({1460, -1, true, false, false});
  peer.send({wire::kAck, 0, 0, "", 0});
  peer.host.send(peer.id(), "waiting");
  peer.wait_ms(1'500'000);
  CHECK(peer.app().error == ETIMEDOUT);
}

TEST_CASE("tcp: a window too small for a sensible segment is used after a while (RFC 9293 3.8.6.2.1)", "[tcp]") {
  Peer peer;
  peer.open({1460, -1, true, false, false});
  peer.send({wire::kAck, 0, 0, "", 100});
  peer.out.clear();
  peer.host.send(peer.id(), pattern(1'000));
  CHECK(peer.silent());
  peer.wait_ms(2'000);
  REQUIRE_FALSE(peer.silent());
  CHECK(peer.take().payload_bytes() == 100);
}

TEST_CASE("tcp: a peer that shrinks its window gets no more than it last allowed, and loses nothing", "[tcp]") {
  Peer peer;
  peer.open({1460, -1, true, false, false});
  peer.out.clear();
  const std::string sent = pattern(14'600);
  peer.host.send(peer.id(), sent);
  peer.send({wire::kAck, 0, 1460, "", 0});
  peer.out.clear();
  peer.send({wire::kAck, 0, 14'600, "", 5'000});
  CHECK(peer.info().in_flight == 0);
}

TEST_CASE("tcp: writing is bounded and goes on when bytes are acknowledged", "[tcp]") {
  HostOptions options;
  options.tcp.send_buffer = 32u << 10;
  Peer peer(options);
  peer.open();
  peer.host.send(peer.id(), pattern(100'000));
  CHECK(peer.app().to_send.size() == 100'000 - 32'768);
  CHECK(peer.app().waiting);
  payload_out(peer);
  peer.ack(14'600);
  peer.host.turn();
  CHECK(peer.app().to_send.size() < 100'000 - 32'768);
}

TEST_CASE("tcp: where packets run short, writers wait and everybody goes on afterwards", "[tcp]") {
  HostOptions small;
  small.packets = 64;
  Link link(small, {});
  std::vector<StreamId> ids;
  for (int i = 0; i < 8; ++i) {
    const StreamId id = link.a.connect(Link::server_address, 80);
    REQUIRE(link.run_until([&] { return link.a.app(id).connected; }));
    ids.push_back(id);
  }
  link.run(100'000);
  for (const StreamId id : ids) link.a.send(id, pattern(60'000, id + 1));
  link.run(60'000'000);
  std::vector<std::string> received;
  for (const auto& [id, app] : link.b.apps) received.push_back(app.received);
  for (const StreamId id : ids) {
    CHECK(std::find(received.begin(), received.end(), pattern(60'000, id + 1)) != received.end());
  }
  CHECK(link.a.packets.out() == 0);
}

TEST_CASE("tcp: what a device takes and does not give back is sent again as a copy", "[tcp]") {
  Peer peer;
  peer.open();
  peer.out.clear();
  peer.host.hold_transmitted = true;
  peer.host.send(peer.id(), "lost on a quiet link");
  REQUIRE(peer.out.size() == 1);
  peer.wait_ms(3'000);
  CHECK(peer.out.size() > 1);
  for (const WireSegment& segment : peer.out) CHECK(segment.payload() == "lost on a quiet link");
  peer.ack(20);
  peer.host.release_transmitted();
  peer.host.hold_transmitted = false;
  CHECK(peer.host.packets.out() == 0);
}

TEST_CASE("tcp: what a full device holds is not sent again: a copy would wait behind it", "[tcp]") {
  Peer peer;
  peer.open();
  peer.out.clear();
  peer.host.hold_transmitted = peer.host.full = true;
  peer.host.send(peer.id(), "slow link");
  REQUIRE(peer.out.size() == 1);
  const uint32_t held = peer.host.packets.out();
  peer.wait_ms(20'000);
  CHECK(peer.out.size() == 1);
  CHECK(peer.host.packets.out() == held);
  CHECK(peer.counters().retransmit_timeouts == 0);
  peer.host.full = false;
  peer.wait_ms(3'000);
  CHECK(peer.out.size() > 1);
  CHECK(peer.out.back().payload() == "slow link");
  peer.ack(9);
  peer.host.release_transmitted();
  peer.host.hold_transmitted = false;
  CHECK(peer.host.packets.out() == 0);
}

TEST_CASE("tcp: a packet that still waits for the device is not sent again", "[tcp]") {
  Peer peer;
  peer.open();
  peer.out.clear();
  peer.host.hold_transmitted = peer.host.queue_transmitted = true;
  peer.host.send(peer.id(), "slow device");
  REQUIRE(peer.out.size() == 1);
  peer.wait_ms(3'000);
  CHECK(peer.out.size() == 1);
  peer.host.release_transmitted();
  peer.host.hold_transmitted = false;
  peer.wait_ms(3'000);
  CHECK(peer.out.size() > 1);
  CHECK(peer.out.back().payload() == "slow device");
}

TEST_CASE("tcp: keepalive is off by default; asked for, it ends a connection whose peer is gone (RFC 9293 3.8.4)", "[tcp]") {
  HostOptions options;
  SECTION("off") {
    Peer peer;
    peer.open();
    peer.wait_ms(100);
    peer.out.clear();
    peer.wait_ms(10'000'000);
    CHECK(peer.silent());
  }
  SECTION("answered") {
    options.tcp.keepalive_idle_ms = 10'000;
    options.tcp.keepalive_interval_ms = 1'000;
    Peer peer(options);
    peer.open();
    peer.wait_ms(100);
    peer.out.clear();
    peer.wait_ms(11'000);
    REQUIRE_FALSE(peer.silent());
    const WireSegment probe = peer.take();
    CHECK(probe.payload_bytes() == 0);
    CHECK(peer.seq_of(probe) == UINT32_MAX);
    peer.send({});
    peer.out.clear();
    peer.wait_ms(8'000);
    CHECK(peer.silent());
    CHECK(peer.app().error == 0);
  }
  SECTION("not answered") {
    options.tcp.keepalive_idle_ms = 10'000;
    options.tcp.keepalive_interval_ms = 1'000;
    options.tcp.keepalive_probes = 3;
    Peer peer(options);
    peer.open();
    peer.wait_ms(16'000);
    CHECK(peer.app().error == ETIMEDOUT);
  }
}
