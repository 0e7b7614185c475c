#include <catch2/catch.hpp>

#include "test/net/net_fixture.hpp"

using namespace sluice;
using namespace sluice::test;

namespace {

const net::IpAddress kPeer = v4(10, 9, 0, 7);
const net::IpAddress kOwn = v4(10, 9, 0, 1);

Bytes icmp(uint8_t type, uint8_t code, uint32_t rest, const Bytes& body) {
  Bytes message(8);
  message.insert(message.end(), body.begin(), body.end());
  wire::IcmpView::write(message.data(), static_cast<uint32_t>(message.size()), type, code, rest);
  return message;
}

Bytes icmp6(const net::IpAddress& from, const net::IpAddress& to, uint8_t type, uint8_t code, uint32_t rest, const Bytes& body) {
  Bytes message(8);
  message.insert(message.end(), body.begin(), body.end());
  const auto length = static_cast<uint32_t>(message.size());
  wire::Checksum sum;
  wire::add_pseudo_header_v6(sum, from.bytes, to.bytes, 58, length);
  wire::IcmpView::write(message.data(), length, type, code, rest, sum);
  return message;
}

Bytes v4_frame(uint8_t protocol, const Bytes& body) { return ethernet(kOwnMac, wire::kTypeIpv4, ipv4(kPeer, kOwn, protocol, body)); }

// What a router quotes of a segment of ours.
Bytes quote(uint32_t seq) {
  Bytes segment(8);
  store_be16(&segment[0], 9000);
  store_be16(&segment[2], 40'000);
  store_be32(&segment[4], seq);
  return segment;
}

}  // namespace

TEST_CASE("an echo request is answered with the same data", "[net]") {
  NetFixture fixture;
  fixture.learn(kPeer);
  fixture.receive(v4_frame(1, icmp(8, 0, 0x12340001, {1, 2, 3, 4, 5})));
  REQUIRE(fixture.nic.sent.size() == 1);
  const Bytes& reply = fixture.nic.sent[0];
  REQUIRE(reply[34] == 0);
  REQUIRE(load_be32(&reply[38]) == 0x12340001);
  REQUIRE(reply.back() == 5);
  wire::Checksum sum;
  sum.add(&reply[34], static_cast<uint32_t>(reply.size() - 34));
  REQUIRE(sum.good());
  REQUIRE(std::memcmp(&reply[30], kPeer.v4(), 4) == 0);
}

TEST_CASE("an echo has the DSCP of its request, and no congestion mark (RFC 2474 3)", "[net]") {
  NetFixture fixture;
  fixture.learn(kPeer);
  Bytes packet = ipv4(kPeer, kOwn, 1, icmp(8, 0, 1, {1}));
  packet[1] = 0xb8 | 3;
  store_be16(&packet[10], 0);
  wire::Checksum sum;
  sum.add(packet.data(), 20);
  wire::store_checksum(&packet[10], sum.finish());
  fixture.receive(ethernet(kOwnMac, wire::kTypeIpv4, packet));
  REQUIRE(fixture.nic.sent.size() == 1);
  CHECK(fixture.nic.sent[0][15] == 0xb8);
}

TEST_CASE("an ICMPv6 echo request is answered", "[net]") {
  NetFixture fixture;
  fixture.send(v6(7));  // asks for the neighbour; its answer would come from a real one
  fixture.nic.sent.clear();
  const Bytes ping = ethernet(kOwnMac, wire::kTypeIpv6, ipv6(v6(7), v6(1), 58, icmp6(v6(7), v6(1), 128, 0, 7, {9, 9, 9})));
  fixture.receive(ping);
  Bytes answer(32);
  wire::NeighborView::write_body(answer.data(), v6(7).bytes, wire::NeighborView::kOptionTargetMac, kPeerMac);
  wire::Checksum sum;
  wire::add_pseudo_header_v6(sum, v6(7).bytes, v6(1).bytes, 58, 32);
  wire::IcmpView::write(answer.data(), 32, 136, 0, wire::NeighborView::kFlagSolicited, sum);
  fixture.receive(ethernet(kOwnMac, wire::kTypeIpv6, ipv6(v6(7), v6(1), 58, answer, 255)));
  REQUIRE(fixture.nic.sent.size() == 2);  // the segment and the echo reply waited
  const Bytes& reply = fixture.nic.sent[1];
  REQUIRE(reply[54] == 129);
  wire::Checksum check;
  wire::add_pseudo_header_v6(check, v6(1).bytes, v6(7).bytes, 58, 11);
  check.add(&reply[54], 11);
  REQUIRE(check.good());
}

TEST_CASE("echo requests to a broadcast MAC or with a bad checksum stay unanswered", "[net]") {
  NetFixture fixture;
  fixture.learn(kPeer);
  Bytes frame = v4_frame(1, icmp(8, 0, 1, {1}));
  frame.back() ^= 1;
  fixture.receive(frame);
  REQUIRE(fixture.interface.counters().dropped_checksum == 1);
  frame = v4_frame(1, icmp(8, 0, 1, {1}));
  std::memset(frame.data(), 0xff, 6);
  fixture.receive(frame);
  REQUIRE(fixture.nic.sent.empty());
}

TEST_CASE("errors about our segments reach TCP with what they quote", "[net]") {
  NetFixture fixture;
  using Kind = net::IcmpError::Kind;
  struct Case {
    uint8_t type;
    uint8_t code;
    uint32_t rest;
    Kind kind;
    uint32_t mtu;
  };
  const Case given = GENERATE(Case{3, 0, 0, Kind::kUnreachableSoft, 0}, Case{3, 1, 0, Kind::kUnreachableSoft, 0},
                              Case{3, 2, 0, Kind::kUnreachableHard, 0}, Case{3, 3, 0, Kind::kUnreachableHard, 0},
                              Case{3, 4, 1400, Kind::kTooBig, 1400}, Case{11, 0, 0, Kind::kUnreachableSoft, 0});
  fixture.receive(v4_frame(1, icmp(given.type, given.code, given.rest, ipv4(kOwn, kPeer, 6, quote(77)))));
  REQUIRE(fixture.tcp.errors.size() == 1);
  REQUIRE(fixture.tcp.errors[0].kind == given.kind);
  REQUIRE(fixture.tcp.errors[0].mtu == given.mtu);
  REQUIRE(fixture.tcp.errors[0].quoted_seq == 77);
  REQUIRE(fixture.tcp.error_flows[0] == net::Flow{kOwn, kPeer, 9000, 40'000});
}

TEST_CASE("errors about what we did not send are not believed", "[net]") {
  NetFixture fixture;
  SECTION("another source") { fixture.receive(v4_frame(1, icmp(3, 4, 600, ipv4(v4(10, 9, 0, 3), kPeer, 6, quote(1))))); }
  SECTION("another protocol") { fixture.receive(v4_frame(1, icmp(3, 4, 600, ipv4(kOwn, kPeer, 17, quote(1))))); }
  SECTION("too little is quoted") { fixture.receive(v4_frame(1, icmp(3, 4, 600, ipv4(kOwn, kPeer, 6, {1, 2, 3})))); }
  SECTION("an ICMPv6 MTU below what IPv6 allows") {
    fixture.receive(ethernet(kOwnMac, wire::kTypeIpv6,
                             ipv6(v6(7), v6(1), 58, icmp6(v6(7), v6(1), 2, 0, 1279, ipv6(v6(1), v6(9), 6, quote(1))))));
  }
  REQUIRE(fixture.tcp.errors.empty());
  REQUIRE(fixture.interface.counters().dropped_icmp == 1);
  REQUIRE(fixture.all_returned());
}

TEST_CASE("an ICMPv6 packet too big reaches TCP", "[net]") {
  NetFixture fixture;
  fixture.receive(ethernet(kOwnMac, wire::kTypeIpv6,
                           ipv6(v6(7), v6(1), 58, icmp6(v6(7), v6(1), 2, 0, 1300, ipv6(v6(1), v6(9), 6, quote(5))))));
  REQUIRE(fixture.tcp.errors.size() == 1);
  REQUIRE(fixture.tcp.errors[0].mtu == 1300);
  REQUIRE(fixture.tcp.error_flows[0].remote == v6(9));
}

TEST_CASE("UDP is refused with port unreachable, at a limited rate", "[net]") {
  NetFixture fixture;
  fixture.learn(kPeer);
  const Bytes datagram{0x13, 0x88, 0x13, 0x89, 0, 12, 0, 0, 1, 2, 3, 4};  // without a checksum (RFC 768)
  fixture.receive(v4_frame(17, datagram));
  REQUIRE(fixture.nic.sent.size() == 1);
  REQUIRE(fixture.nic.sent[0][34] == 3);
  REQUIRE(fixture.nic.sent[0][35] == 3);
  REQUIRE(std::memcmp(&fixture.nic.sent[0][42 + 12], kPeer.v4(), 4) == 0);
  for (int i = 0; i < 200; ++i) fixture.receive(v4_frame(17, datagram));
  REQUIRE(fixture.nic.sent.size() == 50);
  REQUIRE(fixture.interface.counters().icmp_errors_limited == 151);
  fixture.run(1'000'000);
  fixture.nic.sent.clear();
  fixture.receive(v4_frame(17, datagram));
  REQUIRE(fixture.nic.sent.size() == 1);
}
