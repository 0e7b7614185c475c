#include "sim/tcp/link.hpp"
#include "sim/tcp/pattern.hpp"
#include "sim/tcp/peer.hpp"

#include <catch2/catch.hpp>

using namespace sluice;
using namespace sluice::tcp;
using namespace sluice::tcp::sim;

namespace {

// One slice of `bytes`, which many are given, to each stream, as a fan-out offers it.
void fan_out(Host& host, const std::vector<StreamId>& streams, const std::string& bytes) {
  const auto* const data = reinterpret_cast<const uint8_t*>(bytes.data());
  const auto length = static_cast<uint32_t>(bytes.size());
  const uint32_t shared = host.driver->share(data, length);
  for (const StreamId id : streams) {
    host.app(id).to_send = bytes;
    const IoSlice slice{data, length, shared};
    host.driver->write(id, &slice, 1);
  }
  if (shared != 0) host.driver->unshare(shared);
  host.driver->flush();
}

// Both ends of connections that `a` opened to `b`.
struct Crowd {
  explicit Crowd(Link& link, uint32_t count) {
    for (uint32_t i = 0; i < count; ++i) {
      here.push_back(link.open());
      REQUIRE(link.run_until([&] { return link.b.accepted == i + 1; }));
      there.push_back(link.peer());
    }
    link.run(1'000'000);
  }
  bool all(Link& link, const std::string& bytes) const {
    return std::all_of(here.begin(), here.end(), [&](StreamId id) { return link.a.app(id).received == bytes; });
  }
  std::vector<StreamId> here;
  std::vector<StreamId> there;
};

std::string joined(Peer& peer) {
  std::string out;
  while (!peer.silent()) out += peer.take().payload();
  return out;
}

}  // namespace

TEST_CASE("tcp: what many are sent lies in memory once", "[tcp]") {
  Link link;
  const Crowd crowd(link, 40);
  const std::string bytes = pattern(5'000);
  REQUIRE(link.b.packets.out() == 0);
  fan_out(link.b, crowd.there, bytes);
  // Four pieces, to which all segments lead.
  CHECK(link.b.packets.out() == 4);
  CHECK(link.b.driver->gauges().packets_sending == 40 * 4);
  link.b.driver->audit();
  REQUIRE(link.run_until([&] { return crowd.all(link, bytes); }));
  link.run(1'000'000);
  CHECK(link.b.packets.out() == 0);
}

TEST_CASE("tcp: what many are sent comes in order between what each is sent alone, whatever goes lost", "[tcp]") {
  Link link;
  const Crowd crowd(link, 20);
  uint32_t state = 3;
  const auto lossy = [&](WireSegment&) {
    state = state * 1664525u + 1013904223u;
    return state >> 24 >= 26;
  };
  link.a_to_b = lossy;
  link.b_to_a = lossy;
  std::string expected;
  for (uint32_t round = 0; round < 30; ++round) {
    const std::string own = pattern(1 + round * 97 % 2'000);
    const std::string all = pattern(300 + round * 211);
    for (const StreamId id : crowd.there) link.b.send(id, own);
    const auto taken = [&](StreamId id) { return link.b.app(id).to_send.empty(); };
    link.run_until([&] { return std::all_of(crowd.there.begin(), crowd.there.end(), taken); });
    fan_out(link.b, crowd.there, all);
    expected += own + all;
    if (round % 7 == 0) link.run(20'000);
  }
  REQUIRE(link.run_until([&] { return crowd.all(link, expected); }, 600'000'000));
  link.a_to_b = link.b_to_a = nullptr;
  link.run(10'000'000);
  CHECK(link.b.packets.out() == 0);
}

TEST_CASE("tcp: a part of what many are sent is sent again as that part", "[tcp]") {
  Peer peer;
  peer.open();
  peer.out.clear();
  const std::string bytes = pattern(2'500);
  fan_out(peer.host, {peer.id()}, bytes);
  CHECK(joined(peer) == bytes);
  SECTION("behind what was acknowledged") {
    peer.ack(700);
    peer.wait_ms(3'000);
    REQUIRE_FALSE(peer.silent());
    while (!peer.silent()) {
      const WireSegment again = peer.take();
      REQUIRE(peer.seq_of(again) >= 700);
      CHECK(again.payload() == bytes.substr(peer.seq_of(again), again.payload_bytes()));
    }
  }
  SECTION("between what came") {
    peer.ack(0, {{1'000, 2'500}});
    peer.ack(0, {{200, 400}, {1'000, 2'500}});
    peer.wait_ms(3'000);
    REQUIRE_FALSE(peer.silent());
    while (!peer.silent()) {
      const WireSegment again = peer.take();
      CHECK(again.payload() == bytes.substr(peer.seq_of(again), again.payload_bytes()));
    }
  }
  peer.ack(2'500);
  peer.wait_ms(100);
  CHECK(peer.host.packets.out() == 0);
}

TEST_CASE("tcp: what many are sent is cut as a window takes it", "[tcp]") {
  Peer peer;
  peer.open({1460, -1, true, false, false});
  peer.send({wire::kAck, 0, 0, "", 1'000});
  peer.out.clear();
  const std::string bytes = pattern(2'500);
  fan_out(peer.host, {peer.id()}, bytes);
  std::string got;
  for (uint32_t turn = 0; turn < 20 && got.size() < bytes.size(); ++turn) {
    peer.wait_ms(1'000);
    while (!peer.silent()) {
      const WireSegment segment = peer.take();
      CHECK(peer.seq_of(segment) + segment.payload_bytes() <= got.size() + 1'000);
      if (peer.seq_of(segment) == got.size()) got += segment.payload();
    }
    peer.send({wire::kAck, 0, static_cast<uint32_t>(got.size()), "", 1'000});
  }
  CHECK(got == bytes);
  peer.wait_ms(100);
  CHECK(peer.host.packets.out() == 0);
}

TEST_CASE("tcp: who takes smaller segments gets smaller ones of what many are sent", "[tcp]") {
  Peer peer;
  peer.open({536, 7, true, false, false});
  peer.out.clear();
  const std::string bytes = pattern(2'500);
  fan_out(peer.host, {peer.id()}, bytes);
  std::string got;
  while (!peer.silent()) {
    const WireSegment segment = peer.take();
    CHECK(segment.payload_bytes() <= 536);
    got += segment.payload();
  }
  CHECK(got == bytes);
}

TEST_CASE("tcp: nothing is shared on a device without pieces, or where packets are short", "[tcp]") {
  HostOptions options;
  const std::string bytes = pattern(2'000);
  SECTION("device") {
    options.pieces = false;
    Peer peer(options);
    CHECK(peer.host.driver->share(reinterpret_cast<const uint8_t*>(bytes.data()), 2'000) == 0);
  }
  SECTION("packets are short") {
    options.packets = 64;
    Peer peer(options);
    std::vector<nic::Packet*> taken;
    while (peer.host.packets.free_count() > 12) taken.push_back(peer.host.packets.allocate(1));
    CHECK(peer.host.driver->share(reinterpret_cast<const uint8_t*>(bytes.data()), 2'000) == 0);
    for (nic::Packet* packet : taken) peer.host.packets.unref(packet);
  }
}

TEST_CASE("tcp: what can leave at once does as a whole, anything else not at all", "[tcp]") {
  Link link;
  const Crowd crowd(link, 20);
  for (const uint32_t size : {40u, 300u, 5'000u}) {
    const std::string bytes = pattern(size);
    const auto* const data = reinterpret_cast<const uint8_t*>(bytes.data());
    const IoSlice slice{data, size, link.b.driver->share(data, size)};
    for (const StreamId id : crowd.here) link.a.app(id).received.clear();
    // Of those that are asked for only; then something is unacknowledged.
    const uint32_t all = (1u << crowd.there.size()) - 1;
    const uint32_t some = all & 0x5a5a5;
    REQUIRE(link.b.driver->write_at_once(crowd.there, some, slice) == some);
    REQUIRE(link.b.driver->write_at_once(crowd.there, all, slice) == (all & ~some));
    CHECK(link.b.driver->write_at_once(crowd.there, all, slice) == 0);
    if (slice.shared != 0) link.b.driver->unshare(slice.shared);
    link.b.driver->flush();
    link.b.driver->audit();
    REQUIRE(link.run_until([&] { return crowd.all(link, bytes); }));
    link.run(1'000'000);
    CHECK(link.b.packets.out() == 0);
    link.b.driver->audit();
  }
}
