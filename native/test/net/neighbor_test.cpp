#include <catch2/catch.hpp>

#include "test/net/net_fixture.hpp"

using namespace sluice;
using namespace sluice::test;

namespace {

const net::IpAddress kPeer = v4(10, 9, 0, 7);
const net::IpAddress kOwn = v4(10, 9, 0, 1);
const uint8_t kOtherMac[6] = {0x02, 0, 0, 0, 0, 0x33};

bool is_arp(const Bytes& frame, uint16_t operation) {
  return load_be16(&frame[12]) == wire::kTypeArp && load_be16(&frame[20]) == operation;
}

Bytes advertisement(const net::IpAddress& subject, uint32_t flags, const uint8_t* mac, uint8_t hops = 255) {
  Bytes body(32);
  wire::NeighborView::write_body(body.data(), subject.bytes, wire::NeighborView::kOptionTargetMac, mac);
  wire::Checksum sum;
  wire::add_pseudo_header_v6(sum, subject.bytes, v6(1).bytes, 58, 32);
  wire::IcmpView::write(body.data(), 32, wire::icmpv6::kNeighborAdvertisement, 0, flags, sum);
  return ethernet(kOwnMac, wire::kTypeIpv6, ipv6(subject, v6(1), 58, body, hops));
}

Bytes solicitation(const net::IpAddress& from, const net::IpAddress& to, const net::IpAddress& subject, bool with_mac) {
  Bytes body(with_mac ? 32 : 24);
  if (with_mac) {
    wire::NeighborView::write_body(body.data(), subject.bytes, wire::NeighborView::kOptionSourceMac, kPeerMac);
  } else {
    std::memcpy(&body[8], subject.bytes, 16);
  }
  wire::Checksum sum;
  wire::add_pseudo_header_v6(sum, from.bytes, to.bytes, 58, static_cast<uint32_t>(body.size()));
  wire::IcmpView::write(body.data(), static_cast<uint32_t>(body.size()), wire::icmpv6::kNeighborSolicitation, 0, 0, sum);
  const nic::MacAddress mac = net::multicast_mac(to);
  return ethernet(to.bytes[0] == 0xff ? mac.bytes : kOwnMac, wire::kTypeIpv6, ipv6(from, to, 58, body, 255));
}

}  // namespace

TEST_CASE("an ARP request for our address is answered to who asked", "[net]") {
  NetFixture fixture;
  fixture.receive(fixture.arp(wire::ArpView::kRequest, kPeer, kOwn, kPeerMac, net::kBroadcastMac.bytes));
  REQUIRE(fixture.nic.sent.size() == 1);
  const Bytes& reply = fixture.nic.sent[0];
  REQUIRE(is_arp(reply, wire::ArpView::kReply));
  REQUIRE(std::memcmp(reply.data(), kPeerMac, 6) == 0);
  REQUIRE(std::memcmp(&reply[22], kOwnMac, 6) == 0);
  REQUIRE(std::memcmp(&reply[28], kOwn.v4(), 4) == 0);
  fixture.receive(fixture.arp(wire::ArpView::kRequest, kPeer, v4(10, 9, 0, 2)));
  REQUIRE(fixture.nic.sent.size() == 1);
}

TEST_CASE("a packet waits for its neighbour's address and then goes", "[net]") {
  NetFixture fixture;
  REQUIRE(fixture.send(kPeer));
  REQUIRE(fixture.nic.sent.size() == 1);
  REQUIRE(is_arp(fixture.nic.sent[0], wire::ArpView::kRequest));
  REQUIRE(fixture.nic.sent[0][0] == 0xff);
  fixture.receive(fixture.arp(wire::ArpView::kReply, kPeer, kOwn));
  REQUIRE(fixture.nic.sent.size() == 2);
  REQUIRE(load_be16(&fixture.nic.sent[1][12]) == wire::kTypeIpv4);
  REQUIRE(std::memcmp(fixture.nic.sent[1].data(), kPeerMac, 6) == 0);
  REQUIRE(fixture.send(kPeer));
  REQUIRE(fixture.nic.sent.size() == 3);
  REQUIRE(fixture.all_returned());
}

TEST_CASE("a neighbour that does not answer is asked three times and given up", "[net]") {
  NetFixture fixture;
  fixture.send(kPeer);
  for (int i = 0; i < 2; ++i) fixture.run(1'000'000);
  // Our own announcements are ARP requests, too.
  uint32_t asked = 0;
  for (const Bytes& frame : fixture.nic.sent) asked += is_arp(frame, 1) && std::memcmp(&frame[38], kPeer.v4(), 4) == 0;
  REQUIRE(asked == 3);
  REQUIRE(fixture.interface.neighbors() == 1);
  fixture.run(1'000'000);
  REQUIRE(fixture.interface.neighbors() == 0);
  REQUIRE(fixture.interface.counters().unsent_unresolved == 1);
  REQUIRE(fixture.all_returned());
}

TEST_CASE("a hundred packets for an unknown neighbour wait, and go in their order", "[net]") {
  NetFixture fixture;
  for (uint8_t i = 0; i < 100; ++i) fixture.send(kPeer, {i});
  REQUIRE(fixture.interface.counters().unsent_unresolved == 0);
  fixture.nic.sent.clear();
  fixture.receive(fixture.arp(wire::ArpView::kReply, kPeer, kOwn));
  REQUIRE(fixture.nic.sent.size() == 100);
  for (uint8_t i = 0; i < 100; ++i) REQUIRE(fixture.nic.sent[i][54] == i);
  REQUIRE(fixture.all_returned());
}

TEST_CASE("of more packets for an unknown neighbour than may wait the newest do", "[net]") {
  NetFixture fixture;
  constexpr uint32_t kMost = net::NeighborCache::kWaitingPerNeighbor;
  for (uint32_t i = 0; i < kMost + 20; ++i) fixture.send(kPeer, {static_cast<uint8_t>(i)});
  REQUIRE(fixture.interface.counters().unsent_unresolved == 20);
  fixture.nic.sent.clear();
  fixture.receive(fixture.arp(wire::ArpView::kReply, kPeer, kOwn));
  REQUIRE(fixture.nic.sent.size() == kMost);
  REQUIRE(fixture.nic.sent.front()[54] == 20);
  REQUIRE(fixture.nic.sent.back()[54] == static_cast<uint8_t>(kMost + 19));
}

TEST_CASE("packets for one unknown neighbour take no other's share", "[net]") {
  net::InterfaceOptions options = NetFixture::defaults();
  options.neighbors = 16;
  NetFixture fixture(options);
  constexpr uint32_t kShare = net::NeighborCache::kWaitingShare;
  static_assert(net::NeighborCache::kWaitingPerNeighbor == 16 * kShare, "one neighbour alone can have all the room");
  for (uint32_t i = 0; i < 16 * kShare; ++i) fixture.send(kPeer);
  REQUIRE(fixture.interface.counters().unsent_unresolved == 0);
  const net::IpAddress other = v4(10, 9, 0, 8);
  for (uint32_t i = 0; i < kShare; ++i) fixture.send(other);
  REQUIRE(fixture.interface.counters().unsent_unresolved == kShare);
  // Of who has its share, its own oldest.
  fixture.send(other);
  REQUIRE(fixture.interface.counters().unsent_unresolved == kShare + 1);
  fixture.nic.sent.clear();
  fixture.receive(fixture.arp(wire::ArpView::kReply, other, kOwn));
  REQUIRE(fixture.nic.sent.size() == kShare);
  fixture.nic.sent.clear();
  fixture.receive(fixture.arp(wire::ArpView::kReply, kPeer, kOwn));
  REQUIRE(fixture.nic.sent.size() == 15 * kShare);
  REQUIRE(fixture.all_returned());
}

TEST_CASE("a packet that waits may not be sent again meanwhile", "[net]") {
  NetFixture fixture;
  nic::Packet* const packet = fixture.nic.pool().allocate(20);
  packet->length = 20;
  nic::PacketPool::ref(packet);
  REQUIRE_FALSE(fixture.interface.transmitting(packet));
  fixture.interface.send({kOwn, kPeer, 9000, 40'000}, packet, 20, net::Ecn::kNotCapable);
  fixture.interface.flush();
  REQUIRE(fixture.interface.transmitting(packet));
  fixture.receive(fixture.arp(wire::ArpView::kReply, kPeer, kOwn));
  REQUIRE_FALSE(fixture.interface.transmitting(packet));
  fixture.nic.pool().unref(packet);
  REQUIRE(fixture.all_returned());
}

TEST_CASE("what is off the link goes to the gateway", "[net]") {
  NetFixture fixture;
  fixture.learn(v4(10, 9, 0, 254), kOtherMac);
  fixture.send(v4(192, 0, 2, 1));
  REQUIRE(fixture.nic.sent.size() == 1);
  REQUIRE(std::memcmp(fixture.nic.sent[0].data(), kOtherMac, 6) == 0);
}

TEST_CASE("without a gateway there is no route", "[net]") {
  net::InterfaceOptions options = NetFixture::defaults();
  options.gateways.clear();
  NetFixture fixture(options);
  REQUIRE(fixture.interface.mtu(v4(192, 0, 2, 1)) == 0);
  REQUIRE(fixture.interface.mtu(kPeer) == 1500);
  REQUIRE_FALSE(fixture.send(v4(192, 0, 2, 1)));
  REQUIRE(fixture.interface.counters().unsent_no_route == 1);
  REQUIRE(fixture.all_returned());
}

TEST_CASE("a stale neighbour is used at once and verified after a delay, by unicast", "[net]") {
  NetFixture fixture;
  fixture.learn(kPeer);
  fixture.send(kPeer);
  REQUIRE(fixture.nic.sent.size() == 1);
  fixture.nic.sent.clear();
  fixture.run(net::NeighborCache::kDelayUs);
  uint32_t asked = 0;
  for (const Bytes& frame : fixture.nic.sent) asked += is_arp(frame, 1) && std::memcmp(frame.data(), kPeerMac, 6) == 0;
  REQUIRE(asked == 1);
  fixture.receive(fixture.arp(wire::ArpView::kReply, kPeer, kOwn));
  fixture.nic.sent.clear();
  fixture.run(10'000'000);
  for (const Bytes& frame : fixture.nic.sent) REQUIRE_FALSE(is_arp(frame, 1));
}

TEST_CASE("a neighbour in doubt is asked by unicast at once, and looked for anew where it does not answer", "[net]") {
  NetFixture fixture;
  fixture.send(kPeer);
  fixture.receive(fixture.arp(wire::ArpView::kReply, kPeer, kOwn));
  fixture.run(net::NeighborCache::kRetransmitUs);
  fixture.nic.sent.clear();
  fixture.interface.doubt(kPeer);
  fixture.run();
  REQUIRE(fixture.nic.sent.size() == 1);
  REQUIRE(is_arp(fixture.nic.sent[0], wire::ArpView::kRequest));
  REQUIRE(std::memcmp(fixture.nic.sent[0].data(), kPeerMac, 6) == 0);
  SECTION("it answers: it is asked no more than once a second") {
    fixture.receive(fixture.arp(wire::ArpView::kReply, kPeer, kOwn));
    fixture.nic.sent.clear();
    fixture.interface.doubt(kPeer);
    fixture.run();
    REQUIRE(fixture.nic.sent.empty());
    fixture.run(net::NeighborCache::kRetransmitUs);
    fixture.nic.sent.clear();
    fixture.interface.doubt(kPeer);
    fixture.run();
    REQUIRE(fixture.nic.sent.size() == 1);
  }
  SECTION("it does not") {
    for (uint32_t i = 0; i < net::NeighborCache::kMaxSolicits; ++i) fixture.run(net::NeighborCache::kRetransmitUs);
    REQUIRE(fixture.interface.neighbors() == 0);
    fixture.nic.sent.clear();
    fixture.send(kPeer);
    REQUIRE(is_arp(fixture.nic.sent.at(0), wire::ArpView::kRequest));
    REQUIRE(fixture.nic.sent[0][0] == 0xff);
  }
}

TEST_CASE("an unsolicited ARP changes what is known and adds nothing", "[net]") {
  NetFixture fixture;
  fixture.receive(fixture.arp(wire::ArpView::kRequest, kPeer, kPeer, kOtherMac, net::kBroadcastMac.bytes));
  REQUIRE(fixture.interface.neighbors() == 0);
  fixture.learn(kPeer);
  fixture.receive(fixture.arp(wire::ArpView::kRequest, kPeer, kPeer, kOtherMac, net::kBroadcastMac.bytes));
  fixture.send(kPeer);
  REQUIRE(std::memcmp(fixture.nic.sent[0].data(), kOtherMac, 6) == 0);
}

TEST_CASE("an address in use elsewhere is counted and defended, not more than once in ten seconds", "[net]") {
  NetFixture fixture;
  fixture.run(20'000'000);
  fixture.nic.sent.clear();
  for (int i = 0; i < 3; ++i) fixture.receive(fixture.arp(wire::ArpView::kRequest, kOwn, kPeer, kOtherMac, net::kBroadcastMac.bytes));
  REQUIRE(fixture.interface.counters().address_conflicts == 3);
  REQUIRE(fixture.nic.sent.size() == 1);
}

TEST_CASE("the cache is bounded: the longest unused makes room", "[net]") {
  net::InterfaceOptions options = NetFixture::defaults();
  options.neighbors = 16;
  NetFixture fixture(options);
  for (uint8_t i = 10; i < 60; ++i) {
    ++fixture.now;
    fixture.learn(v4(10, 9, 0, i));
  }
  REQUIRE(fixture.interface.neighbors() == 16);
  fixture.send(v4(10, 9, 0, 59));
  REQUIRE(load_be16(&fixture.nic.sent[0][12]) == wire::kTypeIpv4);
}

TEST_CASE("a core that gets no answers learns the way back from what comes to it", "[net]") {
  net::InterfaceOptions options = NetFixture::defaults();
  options.answers = false;
  NetFixture fixture(options);
  fixture.receive(ethernet(kOwnMac, wire::kTypeIpv4, ipv4(kPeer, kOwn, 6, tcp_segment(kPeer, kOwn, {}))));
  fixture.send(kPeer);
  REQUIRE(fixture.nic.sent.size() == 1);
  REQUIRE(std::memcmp(fixture.nic.sent[0].data(), kPeerMac, 6) == 0);
  // From behind a router: the way back is the gateway, by the MAC that the packet came from.
  const net::IpAddress far = v4(192, 0, 2, 1);
  fixture.receive(ethernet(kOwnMac, wire::kTypeIpv4, ipv4(far, kOwn, 6, tcp_segment(far, kOwn, {}))));
  fixture.send(far);
  REQUIRE(fixture.nic.sent.size() == 2);
  REQUIRE(load_be16(&fixture.nic.sent[1][12]) == wire::kTypeIpv4);
  fixture.receive(ethernet(kOwnMac, wire::kTypeIpv6, ipv6(v6(7), v6(1), 6, tcp_segment(v6(7), v6(1), {}))));
  fixture.send(v6(7));
  REQUIRE(fixture.nic.sent.size() == 3);
  REQUIRE(fixture.tcp.segments.size() == 3);
}

TEST_CASE("IPv6 neighbours are found by solicitation to their group", "[net]") {
  NetFixture fixture;
  fixture.send(v6(7));
  REQUIRE(fixture.nic.sent.size() == 1);
  const Bytes& asked = fixture.nic.sent[0];
  REQUIRE(asked[0] == 0x33);
  REQUIRE(asked[14 + 40] == wire::icmpv6::kNeighborSolicitation);
  REQUIRE(asked[14 + 7] == 255);
  fixture.receive(advertisement(v6(7), wire::NeighborView::kFlagSolicited | wire::NeighborView::kFlagOverride, kPeerMac, 64));
  REQUIRE(fixture.interface.counters().dropped_neighbor_message == 1);
  REQUIRE(fixture.nic.sent.size() == 1);
  fixture.receive(advertisement(v6(7), wire::NeighborView::kFlagSolicited | wire::NeighborView::kFlagOverride, kPeerMac));
  REQUIRE(fixture.nic.sent.size() == 2);
  REQUIRE(std::memcmp(fixture.nic.sent[1].data(), kPeerMac, 6) == 0);
  REQUIRE(fixture.nic.sent[1][14 + 6] == 6);
}

TEST_CASE("an advertisement without override does not replace a known MAC", "[net]") {
  NetFixture fixture;
  fixture.send(v6(7));
  fixture.receive(advertisement(v6(7), wire::NeighborView::kFlagSolicited | wire::NeighborView::kFlagOverride, kPeerMac));
  fixture.receive(advertisement(v6(7), wire::NeighborView::kFlagSolicited, kOtherMac));
  fixture.nic.sent.clear();
  fixture.send(v6(7));
  REQUIRE(std::memcmp(fixture.nic.sent[0].data(), kPeerMac, 6) == 0);
}

TEST_CASE("a solicitation for our address is answered, one for a duplicate to all nodes", "[net]") {
  NetFixture fixture;
  fixture.run(5'000'000);
  fixture.nic.sent.clear();
  fixture.receive(solicitation(v6(7), net::solicited_node(v6(1)), v6(1), true));
  REQUIRE(fixture.nic.sent.size() == 1);
  REQUIRE(fixture.nic.sent[0][14 + 40] == wire::icmpv6::kNeighborAdvertisement);
  REQUIRE(fixture.nic.sent[0][14 + 44] == 0x60);  // solicited, override
  REQUIRE(std::memcmp(fixture.nic.sent[0].data(), kPeerMac, 6) == 0);
  fixture.receive(solicitation(net::kUnspecifiedV6, net::solicited_node(v6(1)), v6(1), false));
  REQUIRE(fixture.nic.sent.size() == 2);
  REQUIRE(fixture.nic.sent[1][0] == 0x33);
  REQUIRE(std::memcmp(&fixture.nic.sent[1][14 + 24], net::kAllNodes.bytes, 16) == 0);
  REQUIRE(fixture.interface.counters().address_conflicts == 1);
}

TEST_CASE("addresses are announced at the start, and again two seconds later", "[net]") {
  FakeNic nic;
  net::Interface interface(nic, NetFixture::defaults());
  interface.start(0);
  // ARP for the one IPv4 address; probes for the IPv6 one and the link-local one; their groups.
  REQUIRE(nic.sent.size() == 4);
  REQUIRE(std::memcmp(&nic.sent[0][28], &nic.sent[0][38], 4) == 0);
  nic.sent.clear();
  interface.receive(1'900'000, 64);
  REQUIRE(nic.sent.empty());
  interface.receive(2'000'000, 64);
  REQUIRE(nic.sent.size() == 4);
}
