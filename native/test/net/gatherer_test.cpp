#include <catch2/catch.hpp>

#include "nic/sim_nic.hpp"
#include "test/net/net_fixture.hpp"

using namespace sluice;
using namespace sluice::test;

// What is on the wire is the same whether the device cuts segments or not.

namespace {

constexpr uint32_t kMss = 1440;
constexpr uint8_t kData = wire::kAck;

struct Sent {
  uint32_t seq;
  uint32_t bytes;
  uint8_t flags = kData;
  uint32_t ack = 8;
  uint16_t port = 40'000;
};

nic::SimNicOptions device(bool tso, uint16_t pieces) {
  nic::SimNicOptions options;
  options.capabilities.mac = {{0x02, 0, 0, 0, 0, 0x01}};
  options.capabilities.tx_ip_checksum = options.capabilities.tx_l4_checksum = true;
  options.capabilities.tso = tso;
  options.capabilities.max_pieces = pieces;
  return options;
}

struct Wire {
  explicit Wire(bool tso, bool six = false, uint16_t pieces = 16)
      : own("own", clock, device(tso, pieces)), peer("peer", clock, device(false, 1)), interface(own, NetFixture::defaults()),
        tcp(own.pool()), remote(six ? v6(2) : v4(10, 9, 0, 2)) {
    nic::SimNic::join(own, peer, {}, {});
    interface.attach(tcp);
    interface.start(0);
    learn(six);
    frames();
  }

  void learn(bool six) {
    if (six) {
      Bytes message(32);
      wire::NeighborView::write_body(message.data(), v6(1).bytes, wire::NeighborView::kOptionSourceMac, kPeerMac);
      wire::Checksum sum;
      wire::add_pseudo_header_v6(sum, remote.bytes, v6(1).bytes, wire::kProtocolIcmpv6, 32);
      wire::IcmpView::write(message.data(), 32, wire::icmpv6::kNeighborSolicitation, 0, 0, sum);
      peer.inject(ethernet(kOwnMac, wire::kTypeIpv6, ipv6(remote, v6(1), wire::kProtocolIcmpv6, message, 255)));
    } else {
      Bytes body(28);
      wire::ArpView::write(body.data(), wire::ArpView::kRequest, kPeerMac, remote.v4(), kOwnMac, v4(10, 9, 0, 1).v4());
      peer.inject(ethernet(kOwnMac, wire::kTypeArp, body));
    }
    move();
    interface.receive(clock.now_us(), 64);
    interface.flush();
  }
  void move() {
    own.advance();
    peer.advance();
  }
  // As TCP does: it keeps the packet, and its payload lies where it was.
  void send(const Sent& segment) {
    nic::Packet* const packet = own.pool().allocate(segment.bytes);
    packet->length = static_cast<uint16_t>(segment.bytes);
    for (uint32_t i = 0; i < segment.bytes; ++i) packet->data[i] = static_cast<uint8_t>((segment.seq + i) % 251);
    nic::PacketPool::ref(packet);
    kept.push_back(packet);
    const net::Flow flow{remote.is_v4() ? v4(10, 9, 0, 1) : v6(1), remote, 9000, segment.port};
    wire::TcpView::write(packet->push(20), {9000, segment.port, segment.seq, segment.ack, 512, 20, segment.flags});
    REQUIRE(interface.send(flow, packet, 20, net::Ecn::kNotCapable));
  }
  // What is on the wire, without what says how often IPv4 counted (RFC 6864: of no meaning where nothing is fragmented).
  std::vector<Bytes> frames() {
    interface.flush();
    move();
    std::vector<Bytes> out;
    for (Bytes frame = peer.take(); !frame.empty(); frame = peer.take()) {
      if (remote.is_v4()) {
        for (const size_t at : {18u, 19u, 24u, 25u}) frame[at] = 0;
      }
      out.push_back(frame);
    }
    return out;
  }
  uint64_t gathered() const { return interface.counters().segments_gathered; }
  bool all_returned() {
    for (nic::Packet* const packet : kept) {
      if (own.transmitting(packet)) return false;
      own.pool().unref(packet);
    }
    kept.clear();
    return own.pool().free_count() == own.pool().total_count();
  }

  ManualClock clock;
  nic::SimNic own;
  nic::SimNic peer;
  net::Interface interface;
  Recorder tcp;
  net::IpAddress remote;
  std::vector<nic::Packet*> kept;
};

// How many segments rode in another's frame, the wire being the same as without.
uint64_t gathered_of(const std::vector<Sent>& segments, bool six = false) {
  Wire with(true, six);
  Wire without(false, six);
  for (const Sent& segment : segments) {
    with.send(segment);
    without.send(segment);
  }
  const std::vector<Bytes> want = without.frames();
  CHECK(want.size() == segments.size());
  CHECK(with.frames() == want);
  CHECK(without.gathered() == 0);
  CHECK(with.all_returned());
  return with.gathered();
}

}  // namespace

TEST_CASE("segments that follow one another are cut by the device", "[net]") {
  const std::vector<Sent> run{{1000, kMss}, {1000 + kMss, kMss}, {1000 + 2 * kMss, kMss}, {1000 + 3 * kMss, 77, kData | wire::kPsh}};
  REQUIRE(gathered_of(run) == 3);
  REQUIRE(gathered_of(run, true) == 3);
}

TEST_CASE("a FIN rides on the last segment, and nothing follows it or a short one", "[net]") {
  REQUIRE(gathered_of({{1, kMss}, {1 + kMss, kMss, kData | wire::kFin | wire::kPsh}}) == 1);
  REQUIRE(gathered_of({{1, kMss}, {1 + kMss, 100}, {101 + kMss, 100}}) == 1);
  REQUIRE(gathered_of({{1, 600}, {601, 600}, {1201, 600}}) == 2);
}

TEST_CASE("what does not continue the last segment is sent by itself", "[net]") {
  REQUIRE(gathered_of({{1, kMss}, {2 + kMss, kMss}}) == 0);
  REQUIRE(gathered_of({{1, kMss}, {1, kMss}}) == 0);
  REQUIRE(gathered_of({{1, kMss}, {1 + kMss, kMss, kData, 9}}) == 0);
  REQUIRE(gathered_of({{1, kMss}, {1 + kMss, kMss, kData, 8, 40'001}}) == 0);
  REQUIRE(gathered_of({{1, kMss}, {1 + kMss, kMss, kData | wire::kEce}}) == 0);
  REQUIRE(gathered_of({{1, kMss, kData | wire::kCwr}, {1 + kMss, kMss}}) == 0);
  REQUIRE(gathered_of({{1, 700}, {701, 800}}) == 0);
  REQUIRE(gathered_of({{1, 200}, {201, 200}}) == 0);
}

TEST_CASE("a frame has as many pieces as the device takes, and sixteen at most", "[net]") {
  Wire wire(true, false, 4);
  for (uint32_t i = 0; i < 10; ++i) wire.send({1 + i * kMss, kMss});
  REQUIRE(wire.frames().size() == 10);
  REQUIRE(wire.gathered() == 3 + 3 + 1);
  REQUIRE(wire.all_returned());
  Wire wide(true, false, 100);
  for (uint32_t i = 0; i < 90; ++i) wide.send({1 + i * kMss, kMss});
  REQUIRE(wide.frames().size() == 90);
  REQUIRE(wide.gathered() == 90 - 6);
  REQUIRE(wide.all_returned());
}

TEST_CASE("nothing is added to what the device has already", "[net]") {
  Wire wire(true);
  wire.send({1, kMss});
  REQUIRE(wire.frames().size() == 1);
  wire.send({1 + kMss, kMss});
  REQUIRE(wire.frames().size() == 1);
  REQUIRE(wire.gathered() == 0);
}
