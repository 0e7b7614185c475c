#include <catch2/catch.hpp>

#include <algorithm>

#include "base/prng.hpp"
#include "sim/tcp/pattern.hpp"
#include "sim/tcp/peer.hpp"

using namespace sluice;
using namespace sluice::tcp;
using namespace sluice::tcp::sim;

// Small; native/bench/tcp_abuse_bench.cpp has the same with a million.

TEST_CASE("tcp: blind resets, SYNs and data close nothing and reach nobody (RFC 5961)", "[tcp]") {
  Peer peer;
  peer.open();
  peer.data(0, "hello");
  Prng random(11);
  constexpr uint8_t kFlags[] = {wire::kRst, wire::kRst | wire::kAck, wire::kSyn, wire::kSyn | wire::kAck, wire::kAck | wire::kPsh,
                                wire::kAck | wire::kFin};
  for (uint32_t i = 0; i < 20'000; ++i) {
    // Half of them within the window, as if that had been guessed, but not at its very beginning.
    const auto seq = i % 2 == 0 ? static_cast<uint32_t>(random.next()) : 5 + 1 + random.below(60'000);
    if (seq == 5) continue;
    const uint8_t flags = kFlags[random.below(6)];
    peer.send({flags, seq, static_cast<uint32_t>(random.next()), (flags & wire::kPsh) != 0 ? "evil" : ""});
    peer.out.clear();
    if (i % 100 == 0) peer.wait_ms(10);
  }
  CHECK_FALSE(peer.app().gone);
  CHECK(peer.app().received == "hello");
  CHECK(peer.info().state == State::kEstablished);
  peer.data(5, " again");
  CHECK(peer.app().received == "hello again");
  peer.host.driver->audit();
}

TEST_CASE("tcp: peers that take nothing keep a bounded share of the packets, and the others are served", "[tcp]") {
  HostOptions options;
  options.packets = 2'048;
  options.tcp.capacity = 512;
  Peer peer(options);
  for (uint32_t i = 0; i < 300; ++i) {
    peer.port = static_cast<uint16_t>(10'000 + i);
    peer.open();
    peer.send({wire::kAck, 0, 0, "", 0});
    peer.host.send(peer.id(), pattern(256u << 10));
  }
  CHECK(peer.host.packets.out() <= options.packets * 7 / 8);
  peer.port = 77;
  peer.open();
  peer.data(0, "honest");
  CHECK(peer.app().received == "honest");
  peer.out.clear();
  peer.host.send(peer.id(), "answer");
  CHECK(peer.host.packets.out() < options.packets);
  peer.host.driver->audit();
}

namespace {

// So many SYNs from ports of their own stand before what the peer sends next.
void flood(Peer& peer, uint32_t count) {
  const uint16_t own = peer.port;
  peer.gathers = true;
  for (uint32_t i = 0; i < count; ++i) {
    peer.port = static_cast<uint16_t>(10'000 + i);
    peer.syn();
  }
  peer.port = own;
}

uint32_t syns_answered(const Peer& peer) {
  return static_cast<uint32_t>(std::count_if(peer.out.begin(), peer.out.end(), [](const WireSegment& one) { return one.has(wire::kSyn); }));
}

}  // namespace

TEST_CASE("tcp: who is connected goes before the SYNs that came first, and these are all answered", "[tcp]") {
  Peer peer;
  peer.open();
  peer.out.clear();
  flood(peer, 500);
  peer.data(0, "hello");
  const uint32_t packets = peer.host.packets.out();
  peer.host.turn(1'000);
  CHECK(peer.app().received == "hello");
  const uint32_t at_first = syns_answered(peer);
  CHECK(at_first < 100);
  // They are not a matter of time, and each turn has room for others.
  CHECK(peer.host.driver->next_deadline_us() == peer.now_us);
  peer.data(5, " again");
  peer.host.turn(1'000);
  CHECK(peer.app().received == "hello again");
  CHECK(syns_answered(peer) < 500);
  while (peer.host.turn() != 0) {}
  CHECK(syns_answered(peer) == 500);
  CHECK(peer.host.packets.out() <= packets);
}

TEST_CASE("tcp: no SYN is dropped where more come than wait", "[tcp]") {
  HostOptions options;
  options.packets = 8'192;
  Peer peer(options);
  flood(peer, 4'000);
  peer.host.turn(4'000);
  while (peer.host.turn() != 0) {}
  CHECK(syns_answered(peer) == 4'000);
  CHECK(peer.host.packets.out() == 0);
}

TEST_CASE("tcp: SYNs wait while the device takes no answers", "[tcp]") {
  Peer peer;
  peer.open();
  peer.out.clear();
  peer.host.waiting = 1'000;
  flood(peer, 10);
  peer.data(0, "hello");
  peer.host.turn();
  CHECK(peer.app().received == "hello");
  CHECK(syns_answered(peer) == 0);
  CHECK(peer.host.driver->next_deadline_us() > peer.now_us);
  peer.host.waiting = 0;
  peer.host.turn();
  CHECK(syns_answered(peer) == 10);
}

TEST_CASE("tcp: packets of SYNs that wait are given back with the stack", "[tcp]") {
  Peer peer;
  flood(peer, 300);
  peer.host.turn(300);
  CHECK(peer.host.packets.out() > 200);
  peer.host.driver.reset();
  CHECK(peer.host.packets.out() == 0);
}
