#include <catch2/catch.hpp>

#include "test/net/net_fixture.hpp"

using namespace sluice;
using namespace sluice::test;

namespace {
const net::IpAddress kPeer = v4(10, 9, 0, 7);
}

TEST_CASE("a segment leaves with right headers and checksums", "[net]") {
  NetFixture fixture;
  fixture.learn(kPeer);
  REQUIRE(fixture.send(kPeer, {1, 2, 3}));
  Bytes frame = fixture.nic.sent.at(0);
  REQUIRE(frame.size() == 14 + 20 + 20 + 3);
  const auto ip = wire::Ipv4View::parse(&frame[14], 43);
  REQUIRE(ip);
  REQUIRE(ip->checksum_good());
  REQUIRE(ip->dont_fragment());
  REQUIRE(ip->ttl() == 64);
  wire::Checksum sum;
  wire::add_pseudo_header_v4(sum, ip->source(), ip->target(), 6, 23);
  sum.add(&frame[34], 23);
  REQUIRE(sum.good());
}

TEST_CASE("a device that computes checksums is given the pseudo-header's sum and the lengths", "[net]") {
  NetFixture fixture;
  fixture.nic.change_capabilities().tx_l4_checksum = true;
  fixture.learn(kPeer);
  fixture.send(kPeer, Bytes(600, 7));
  const Bytes& frame = fixture.nic.sent.at(0);
  REQUIRE(fixture.nic.sent_flags.back() == nic::kTxL4Checksum);
  wire::Checksum sum;
  wire::add_pseudo_header_v4(sum, v4(10, 9, 0, 1).v4(), kPeer.v4(), 6, 620);
  REQUIRE(wire::load_checksum(&frame[34 + 16]) == sum.raw());
}

TEST_CASE("the checksum of a short segment is computed here all the same", "[net]") {
  NetFixture fixture;
  fixture.nic.change_capabilities().tx_l4_checksum = true;
  fixture.learn(kPeer);
  fixture.send(kPeer, {1, 2, 3});
  REQUIRE(fixture.nic.sent_flags.back() == 0);
  wire::Checksum sum;
  wire::add_pseudo_header_v4(sum, v4(10, 9, 0, 1).v4(), kPeer.v4(), 6, 23);
  sum.add(&fixture.nic.sent.back()[34], 23);
  REQUIRE(sum.good());
}

TEST_CASE("a payload that the sender has summed is believed, and no device asked for the sum", "[net]") {
  NetFixture fixture;
  const bool offload = GENERATE(false, true);
  const uint32_t bytes = GENERATE(1u, 66u, 237u, 448u);
  fixture.nic.change_capabilities().tx_l4_checksum = offload;
  fixture.learn(kPeer);
  nic::Packet* const packet = fixture.nic.pool().allocate(20 + bytes);
  packet->length = static_cast<uint16_t>(20 + bytes);
  wire::TcpView::write(packet->data, {9000, 40'000, 7, 8, 512, 20, wire::kAck});
  for (uint32_t i = 0; i < bytes; ++i) packet->data[20 + i] = static_cast<uint8_t>(i * 37 + 200);
  wire::Checksum payload;
  payload.add(packet->data + 20, bytes);
  packet->segment_bytes = payload.raw();
  packet->flags = nic::kPayloadSummed;
  REQUIRE(fixture.interface.send({v4(10, 9, 0, 1), kPeer, 9000, 40'000}, packet, 20, net::Ecn::kNotCapable));
  fixture.interface.flush();
  REQUIRE(fixture.nic.sent_flags.back() == 0);
  wire::Checksum sum;
  wire::add_pseudo_header_v4(sum, v4(10, 9, 0, 1).v4(), kPeer.v4(), 6, static_cast<uint16_t>(20 + bytes));
  sum.add(&fixture.nic.sent.back()[34], 20 + bytes);
  REQUIRE(sum.good());
}

TEST_CASE("a segment whose payload the sender has summed leaves with the headers of any other", "[net]") {
  NetFixture fixture;
  const net::IpAddress gateway = v4(10, 9, 0, 254);
  const net::IpAddress remote = GENERATE(v4(10, 9, 0, 7), v4(10, 200, 0, 3));
  const bool known = GENERATE(true, false);
  const auto learn = [&] { fixture.receive(fixture.arp(wire::ArpView::kRequest, remote == kPeer ? kPeer : gateway, v4(10, 9, 0, 1))); };
  if (known) learn();
  for (const uint8_t flags : {uint8_t{0}, uint8_t{nic::kPayloadSummed}}) {
    nic::Packet* const packet = fixture.nic.pool().allocate(23);
    packet->length = 23;
    wire::TcpView::write(packet->data, {9000, 40'000, 7, 8, 512, 20, wire::kAck});
    std::memcpy(packet->data + 20, "abc", 3);
    wire::Checksum payload;
    payload.add(packet->data + 20, 3);
    packet->segment_bytes = payload.raw();
    packet->flags = flags;
    REQUIRE(fixture.interface.send({v4(10, 9, 0, 1), remote, 9000, 40'000}, packet, 20, net::Ecn::kCapable0));
  }
  fixture.interface.flush();
  // Both wait for the neighbour's address where it has to be asked for.
  if (!known) learn();
  std::vector<Bytes> segments;
  for (const Bytes& frame : fixture.nic.sent) {
    if (frame.size() == 14 + 20 + 23) segments.push_back(frame);
  }
  REQUIRE(segments.size() == 2);
  CHECK(segments[0] == segments[1]);
  CHECK(segments[1][15] == static_cast<uint8_t>(net::Ecn::kCapable0));
}

TEST_CASE("a segment whose payload the sender has summed goes nowhere that no other would", "[net]") {
  NetFixture fixture;
  const net::IpAddress remote = GENERATE(v4(10, 9, 0, 1), v4(224, 0, 0, 9), kPeer);
  fixture.learn(kPeer);
  const uint32_t bytes = remote == kPeer ? 1461 : 3;
  nic::Packet* const packet = fixture.nic.pool().allocate(20 + bytes);
  wire::TcpView::write(packet->data, {9000, 40'000, 7, 8, 512, 20, wire::kAck});
  packet->length = static_cast<uint16_t>(20 + bytes);
  packet->segment_bytes = 0;
  packet->flags = nic::kPayloadSummed;
  CHECK_FALSE(fixture.interface.send({v4(10, 9, 0, 1), remote, 9000, 40'000}, packet, 20, net::Ecn::kNotCapable));
  CHECK(fixture.interface.counters().unsent_too_big == (remote == kPeer ? 1 : 0));
  CHECK(fixture.interface.counters().unsent_no_route == (remote == kPeer ? 0 : 1));
  CHECK(fixture.all_returned());
}

TEST_CASE("a payload in several pieces is summed over all of them", "[net]") {
  NetFixture fixture;
  fixture.nic.change_capabilities().max_pieces = 2;
  fixture.learn(kPeer);
  nic::Packet* const head = fixture.nic.pool().allocate(20);
  nic::Packet* const body = fixture.nic.pool().allocate(5);
  head->length = 20;
  wire::TcpView::write(head->data, {9000, 40'000, 7, 8, 512, 20, wire::kAck});
  body->length = 5;
  std::memcpy(body->data, "hello", 5);
  head->next = body;
  nic::PacketPool::ref(body);
  REQUIRE(fixture.interface.send({v4(10, 9, 0, 1), kPeer, 9000, 40'000}, head, 20, net::Ecn::kCapable0));
  REQUIRE(fixture.interface.transmitting(body));
  fixture.interface.flush();
  REQUIRE_FALSE(fixture.interface.transmitting(body));
  const Bytes& frame = fixture.nic.sent.at(0);
  wire::Checksum sum;
  wire::add_pseudo_header_v4(sum, v4(10, 9, 0, 1).v4(), kPeer.v4(), 6, 25);
  sum.add(&frame[34], 25);
  REQUIRE(sum.good());
  REQUIRE((frame[15] & 3) == 2);
  fixture.nic.pool().unref(body);
  REQUIRE(fixture.all_returned());
}

TEST_CASE("a device that takes one piece gets the frame in one", "[net]") {
  NetFixture fixture;
  fixture.learn(kPeer);
  nic::Packet* const head = fixture.nic.pool().allocate(20);
  nic::Packet* const body = fixture.nic.pool().allocate(5);
  head->length = 20;
  wire::TcpView::write(head->data, {9000, 40'000, 7, 8, 512, 20, wire::kAck});
  body->length = 5;
  std::memcpy(body->data, "hello", 5);
  head->next = body;
  REQUIRE(fixture.interface.send({v4(10, 9, 0, 1), kPeer, 9000, 40'000}, head, 20, net::Ecn::kNotCapable));
  fixture.interface.flush();
  REQUIRE(std::memcmp(&fixture.nic.sent.at(0)[54], "hello", 5) == 0);
  REQUIRE(fixture.all_returned());
}

TEST_CASE("what the device does not take is offered again, and dropped when too much waits", "[net]") {
  NetFixture fixture;
  fixture.learn(kPeer);
  fixture.nic.room = 0;
  uint32_t sent = 0;
  // The pool's packets run out first; those beyond it would be dropped at the queue's bound.
  while (sent < 1000 && fixture.send(kPeer, {static_cast<uint8_t>(sent)})) ++sent;
  REQUIRE(sent == 1000);
  fixture.nic.room = 100;
  fixture.interface.flush();
  REQUIRE(fixture.nic.sent.size() == 100);
  fixture.nic.room = UINT32_MAX;
  fixture.interface.flush();
  REQUIRE(fixture.nic.sent.size() == 1000);
  for (uint32_t i = 0; i < 1000; ++i) REQUIRE(fixture.nic.sent[i].back() == static_cast<uint8_t>(i));
  REQUIRE(fixture.all_returned());
}

TEST_CASE("beyond a bound frames are dropped and counted", "[net]") {
  FakeNic nic;
  net::NetCounters counters;
  net::Transmitter transmitter(nic, NetFixture::defaults(), counters);
  nic.room = 0;
  // A few packets many times over stand for as many.
  constexpr uint32_t kFew = 16;
  nic::Packet* packets[kFew];
  for (nic::Packet*& packet : packets) packet = nic.pool().allocate(0);
  for (uint32_t i = 0; i < net::Transmitter::kQueue; ++i) {
    nic::Packet* const packet = packets[i % kFew];
    nic::PacketPool::ref(packet);
    packet->data = packet->buffer + nic::kHeadroom;
    packet->length = 0;
    REQUIRE(transmitter.send(packet, nic.capabilities().mac, wire::kTypeIpv4));
  }
  nic::PacketPool::ref(packets[0]);
  REQUIRE_FALSE(transmitter.send(packets[0], nic.capabilities().mac, wire::kTypeIpv4));
  REQUIRE(counters.unsent_device_full == 1);
  nic.room = UINT32_MAX;
  transmitter.flush();
  REQUIRE(nic.sent.size() == net::Transmitter::kQueue);
  for (nic::Packet* const packet : packets) {
    REQUIRE(packet->references == 1);
    nic.pool().unref(packet);
  }
}

TEST_CASE("a segment larger than the MTU is not sent", "[net]") {
  net::InterfaceOptions options = NetFixture::defaults();
  options.mtu = 1400;
  NetFixture fixture(options);
  fixture.learn(kPeer);
  REQUIRE(fixture.interface.mtu(kPeer) == 1400);
  REQUIRE_FALSE(fixture.send(kPeer, Bytes(1361)));
  REQUIRE(fixture.interface.counters().unsent_too_big == 1);
  REQUIRE(fixture.send(kPeer, Bytes(1360)));
}

TEST_CASE("packets of one IPv6 flow carry one flow label", "[net]") {
  NetFixture fixture;
  fixture.send(v6(7), {1});
  fixture.send(v6(7), {2});
  Bytes answer(32);
  wire::NeighborView::write_body(answer.data(), v6(7).bytes, wire::NeighborView::kOptionTargetMac, kPeerMac);
  wire::Checksum sum;
  wire::add_pseudo_header_v6(sum, v6(7).bytes, v6(1).bytes, 58, 32);
  wire::IcmpView::write(answer.data(), 32, 136, 0, wire::NeighborView::kFlagSolicited, sum);
  fixture.nic.sent.clear();
  fixture.receive(ethernet(kOwnMac, wire::kTypeIpv6, ipv6(v6(7), v6(1), 58, answer, 255)));
  REQUIRE(fixture.nic.sent.size() == 2);
  REQUIRE(std::memcmp(&fixture.nic.sent[0][14], &fixture.nic.sent[1][14], 4) == 0);
  REQUIRE((load_be32(&fixture.nic.sent[0][14]) & 0xfffff) != 0);
}

TEST_CASE("frames that still wait go back to the pool with the interface", "[net]") {
  FakeNic nic;
  {
    net::Interface interface(nic, NetFixture::defaults());
    nic::Packet* const packet = nic.pool().allocate(20);
    packet->length = 20;
    interface.send({v4(10, 9, 0, 1), kPeer, 9000, 40'000}, packet, 20, net::Ecn::kNotCapable);
  }
  REQUIRE(nic.heap().free_count() == nic.heap().total_count());
}
