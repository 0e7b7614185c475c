#include <catch2/catch.hpp>

#include "test/net/net_fixture.hpp"

using namespace sluice;
using namespace sluice::test;

namespace {

const net::IpAddress kRouter{{0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x99}};
constexpr uint32_t kIcmpAt = 14 + 40 + 8;

bool is_report(const Bytes& frame) {
  if (frame.size() <= kIcmpAt || load_be16(&frame[12]) != wire::kTypeIpv6 || frame[20] != 0) return false;
  return frame[kIcmpAt] == 143 || frame[kIcmpAt] == 131;
}
std::vector<Bytes> reports(const NetFixture& fixture) {
  std::vector<Bytes> out;
  for (const Bytes& frame : fixture.nic.sent) {
    if (is_report(frame)) out.push_back(frame);
  }
  return out;
}

// What every report has: the hop limit, the router alert, and the checksum.
void check_form(const Bytes& frame) {
  CHECK(frame[21] == 1);
  const uint8_t alert[8] = {58, 0, 5, 2, 0, 0, 1, 0};
  CHECK(std::memcmp(&frame[54], alert, sizeof alert) == 0);
  wire::Checksum sum;
  const auto bytes = static_cast<uint32_t>(frame.size()) - kIcmpAt;
  wire::add_pseudo_header_v6(sum, &frame[22], &frame[38], 58, bytes);
  sum.add(&frame[kIcmpAt], bytes);
  CHECK(sum.good());
}

Bytes query(uint32_t bytes, uint16_t delay_ms, const net::IpAddress& source = kRouter, uint8_t hops = 1) {
  Bytes message(bytes);
  wire::Checksum sum;
  wire::add_pseudo_header_v6(sum, source.bytes, net::kAllNodes.bytes, 58, bytes);
  wire::IcmpView::write(message.data(), bytes, wire::icmpv6::kListenerQuery, 0, uint32_t{delay_ms} << 16, sum);
  const nic::MacAddress group = net::multicast_mac(net::kAllNodes);
  return ethernet(group.bytes, wire::kTypeIpv6, ipv6(source, net::kAllNodes, 58, message, hops));
}

bool comes_from_nobody(const Bytes& frame) { return std::memcmp(&frame[22], net::kUnspecifiedV6.bytes, 16) == 0; }

const net::IpAddress kGroup = net::solicited_node(v6(1));

// The group of fd00:0:0:9::1 is also that of the link-local address; another address has another.
net::InterfaceOptions two_groups() {
  net::InterfaceOptions options = NetFixture::defaults();
  options.addresses.push_back({v6(0x77), 64});
  return options;
}

}  // namespace

TEST_CASE("groups of our addresses are announced at the start, from our address once it is certain (RFC 3810, RFC 3590)", "[net]") {
  FakeNic nic;
  net::Interface interface(nic, two_groups());
  interface.start(1'000'000);
  interface.receive(1'000'001, 64);
  interface.receive(3'100'000, 64);
  std::vector<Bytes> found;
  for (const Bytes& frame : nic.sent) {
    if (is_report(frame)) found.push_back(frame);
  }
  REQUIRE(found.size() == 2);
  for (const Bytes& frame : found) {
    check_form(frame);
    CHECK(frame[kIcmpAt] == 143);
    CHECK(frame[53] == 0x16);
    REQUIRE(load_be16(&frame[kIcmpAt + 6]) == 2);
    CHECK(frame[kIcmpAt + 8] == 4);
    CHECK(std::memcmp(&frame[kIcmpAt + 12], kGroup.bytes, 16) == 0);
  }
  CHECK(comes_from_nobody(found[0]));
  CHECK(found[1][22] == 0xfe);
}

TEST_CASE("a router that asks for listeners is answered within the time that it gives (RFC 3810 6.2)", "[net]") {
  NetFixture fixture;
  fixture.receive(query(28, 1'000));
  fixture.run(1'000'001);
  const std::vector<Bytes> found = reports(fixture);
  REQUIRE(found.size() == 1);
  check_form(found[0]);
  CHECK(found[0][kIcmpAt] == 143);
  CHECK(found[0][kIcmpAt + 8] == 2);
  fixture.nic.sent.clear();
  fixture.run(500'000);
  CHECK(reports(fixture).empty());
}

TEST_CASE("a router of RFC 2710 is answered in its own way: a report for each group, to it", "[net]") {
  NetFixture fixture(two_groups());
  fixture.receive(query(24, 100));
  fixture.run(100'001);
  const std::vector<Bytes> found = reports(fixture);
  REQUIRE(found.size() == 2);
  check_form(found[0]);
  CHECK(found[0][kIcmpAt] == 131);
  CHECK(std::memcmp(&found[0][38], kGroup.bytes, 16) == 0);
  CHECK(std::memcmp(&found[0][kIcmpAt + 8], kGroup.bytes, 16) == 0);
}

TEST_CASE("queries that no router on the link sent are dropped", "[net]") {
  NetFixture fixture;
  SECTION("from another address than a link-local one") { fixture.receive(query(28, 0, v6(7))); }
  SECTION("from behind a router") { fixture.receive(query(28, 0, kRouter, 64)); }
  SECTION("of no known length") { fixture.receive(query(26, 0)); }
  fixture.run(10'000);
  CHECK(reports(fixture).empty());
  CHECK(fixture.interface.counters().dropped_neighbor_message == 1);
}
