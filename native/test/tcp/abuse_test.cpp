#include <catch2/catch.hpp>

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
