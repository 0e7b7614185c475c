#include <catch2/catch.hpp>

#include "test/net/net_fixture.hpp"

using namespace sluice;
using namespace sluice::test;

namespace {
const net::IpAddress kPeer = v4(10, 9, 0, 7);
const net::IpAddress kOwn = v4(10, 9, 0, 1);
Bytes segment_frame(const Bytes& payload = {'a', 'b'}) {
  return ethernet(kOwnMac, wire::kTypeIpv4, ipv4(kPeer, kOwn, 6, tcp_segment(kPeer, kOwn, payload)));
}
}  // namespace

TEST_CASE("a segment reaches TCP with its flow, its padding cut off", "[net]") {
  NetFixture fixture;
  Bytes frame = segment_frame();
  frame.resize(60);
  fixture.receive(frame);
  REQUIRE(fixture.tcp.segments.size() == 1);
  const Recorder::Seen& seen = fixture.tcp.segments[0];
  REQUIRE(seen.flow == net::Flow{kOwn, kPeer, 9000, 40'000});
  REQUIRE(seen.header_bytes == 20);
  REQUIRE(seen.payload_bytes == 2);
  REQUIRE(seen.bytes.size() == 22);
  REQUIRE(seen.bytes[21] == 'b');
  REQUIRE(fixture.all_returned());
}

TEST_CASE("a burst reaches TCP in one call, in order", "[net]") {
  NetFixture fixture;
  for (uint8_t i = 0; i < 20; ++i) fixture.nic.put(segment_frame({i}));
  fixture.run();
  REQUIRE(fixture.tcp.bursts == 1);
  REQUIRE(fixture.tcp.segments.size() == 20);
  for (uint8_t i = 0; i < 20; ++i) REQUIRE(fixture.tcp.segments[i].bytes[20] == i);
}

TEST_CASE("an IPv6 segment behind extension headers reaches TCP", "[net]") {
  NetFixture fixture;
  Bytes body{6, 0, 1, 4, 0, 0, 0, 0};  // destination options, padded
  const Bytes tcp = tcp_segment(v6(7), v6(1), {'x'});
  body.insert(body.end(), tcp.begin(), tcp.end());
  fixture.receive(ethernet(kOwnMac, wire::kTypeIpv6, ipv6(v6(7), v6(1), 60, body)));
  REQUIRE(fixture.tcp.segments.size() == 1);
  REQUIRE(fixture.tcp.segments[0].payload_bytes == 1);
  REQUIRE(fixture.tcp.segments[0].flow.remote == v6(7));
}

namespace {
// The peer asks for us, which says where it is.
void learn_v6(NetFixture& fixture) {
  Bytes question(wire::NeighborView::kBytesWithMac);
  wire::NeighborView::write_body(question.data(), v6(1).bytes, wire::NeighborView::kOptionSourceMac, kPeerMac);
  wire::Checksum sum;
  const auto bytes = static_cast<uint32_t>(question.size());
  wire::add_pseudo_header_v6(sum, v6(7).bytes, v6(1).bytes, 58, bytes);
  wire::IcmpView::write(question.data(), bytes, wire::icmpv6::kNeighborSolicitation, 0, 0, sum);
  fixture.receive(ethernet(kOwnMac, wire::kTypeIpv6, ipv6(v6(7), v6(1), 58, question, 255)));
  fixture.nic.sent.clear();
}
}  // namespace

TEST_CASE("IPv6 headers that cannot be processed are reported; to a group only options that ask for it (RFC 8200 4.2)", "[net]") {
  constexpr uint8_t kBroadcast[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
  const auto behind = [](Bytes header, const net::IpAddress& target) {
    const Bytes tcp = tcp_segment(v6(7), target, {'x'});
    header.insert(header.end(), tcp.begin(), tcp.end());
    return header;
  };
  struct Case {
    uint8_t first;
    Bytes header;
    uint8_t code;
    uint8_t pointer;
    bool tells_groups;
  };
  const std::vector<Case> cases{
      {60, {6, 0, 0x9e, 4, 0, 0, 0, 0}, 2, 42, true},
                                {60, {6, 0, 0xde, 4, 0, 0, 0, 0}, 2, 42, false},
                                {43, {6, 0, 0, 1, 0, 0, 0, 0}, 0, 42, false},
                                {60, {99, 0, 1, 4, 0, 0, 0, 0}, 1, 40, false}};
  for (const Case& one : cases) {
    NetFixture fixture;
    learn_v6(fixture);
    fixture.receive(ethernet(kOwnMac, wire::kTypeIpv6, ipv6(v6(7), v6(1), one.first, behind(one.header, v6(1)))));
    CHECK(fixture.tcp.segments.empty());
    REQUIRE(fixture.nic.sent.size() == 1);
    CHECK(fixture.nic.sent[0][54] == wire::icmpv6::kParameterProblem);
    CHECK(fixture.nic.sent[0][55] == one.code);
    CHECK(fixture.nic.sent[0][61] == one.pointer);
    fixture.receive(ethernet(kBroadcast, wire::kTypeIpv6, ipv6(v6(7), v6(1), one.first, behind(one.header, v6(1)))));
    CHECK(fixture.nic.sent.size() == (one.tells_groups ? 2 : 1));
    fixture.nic.sent.clear();
    const nic::MacAddress all = net::multicast_mac(net::kAllNodes);
    fixture.receive(
        ethernet(all.bytes, wire::kTypeIpv6, ipv6(v6(7), net::kAllNodes, one.first, behind(one.header, net::kAllNodes))));
    REQUIRE(fixture.nic.sent.size() == (one.tells_groups ? 1 : 0));
    // From an address of our own.
    if (one.tells_groups) CHECK(std::memcmp(&fixture.nic.sent[0][22], v6(1).bytes, 16) == 0);
  }
  NetFixture fixture;
  learn_v6(fixture);
  fixture.receive(ethernet(kOwnMac, wire::kTypeIpv6, ipv6(v6(7), v6(1), 59, {})));
  fixture.receive(ethernet(kOwnMac, wire::kTypeIpv6, ipv6(v6(7), v6(1), 60, behind({6, 0, 0x5e, 4, 0, 0, 0, 0}, v6(1)))));
  CHECK(fixture.nic.sent.empty());
  CHECK(fixture.interface.counters().dropped_protocol == 2);
}

TEST_CASE("IPv4 options are passed over, but a source route is refused (RFC 1122 3.2.1.8, RFC 7126 4.3)", "[net]") {
  const auto with_options = [](const Bytes& options) {
    const Bytes tcp = tcp_segment(v4(10, 9, 0, 7), v4(10, 9, 0, 1), {'x'});
    Bytes packet = ipv4(v4(10, 9, 0, 7), v4(10, 9, 0, 1), 6, tcp);
    packet.insert(packet.begin() + 20, options.begin(), options.end());
    packet[0] = static_cast<uint8_t>(0x45 + options.size() / 4);
    store_be16(&packet[2], static_cast<uint16_t>(packet.size()));
    store_be16(&packet[10], 0);
    wire::Checksum sum;
    sum.add(packet.data(), static_cast<uint32_t>(20 + options.size()));
    wire::store_checksum(&packet[10], sum.finish());
    return ethernet(kOwnMac, wire::kTypeIpv4, packet);
  };
  const std::vector<Bytes> harmless{{1, 1, 1, 0},       {0x94, 4, 0, 0}, {7, 7, 4, 0, 0, 0, 0, 0}, {0xfe, 0, 0, 0},
                                    {0xfe, 99, 0, 0}, {1, 1, 1, 7},    {0, 131, 3, 4}};
  for (const Bytes& options : harmless) {
    NetFixture fixture;
    fixture.receive(with_options(options));
    CHECK(fixture.tcp.segments.size() == 1);
  }
  const std::vector<Bytes> routes{{131, 7, 4, 10, 0, 0, 1, 0}, {1, 137, 7, 4, 10, 0, 0, 1}};
  for (const Bytes& options : routes) {
    NetFixture fixture;
    fixture.receive(with_options(options));
    CHECK(fixture.tcp.segments.empty());
    CHECK(fixture.interface.counters().dropped_martian == 1);
    CHECK(fixture.all_returned());
  }
}

TEST_CASE("a segment in several pieces keeps all of its bytes", "[net]") {
  NetFixture fixture;
  const Bytes frame = segment_frame({'a', 'b', 'c', 'd'});
  nic::Packet* const first = fixture.nic.pool().allocate(100);
  nic::Packet* const second = fixture.nic.pool().allocate(100);
  first->length = static_cast<uint16_t>(frame.size() - 2);
  std::memcpy(first->data, frame.data(), first->length);
  second->length = 30;  // padding in a piece of its own
  std::memcpy(second->data, frame.data() + first->length, 2);
  first->next = second;
  fixture.nic.put_chain(first);
  fixture.run();
  REQUIRE(fixture.tcp.segments.size() == 1);
  REQUIRE(fixture.tcp.segments[0].bytes.size() == 24);
  REQUIRE(fixture.tcp.segments[0].bytes[23] == 'd');
  REQUIRE(fixture.all_returned());
}

namespace {
void expect_drop(NetFixture& fixture, const Bytes& frame, uint8_t flags, const uint64_t& reason) {
  fixture.receive(frame, flags);
  REQUIRE(fixture.tcp.segments.empty());
  REQUIRE(reason == 1);
  REQUIRE(fixture.interface.counters().dropped() == 1);
  REQUIRE(fixture.nic.sent.empty());
  REQUIRE(fixture.all_returned());
}
}  // namespace

TEST_CASE("frames that are cut off, corrupted or in pieces are dropped and counted by the reason", "[net]") {
  NetFixture fixture;
  const net::NetCounters& counters = fixture.interface.counters();
  Bytes frame = segment_frame();
  const uint64_t* expected = nullptr;
  uint8_t flags = 0;
  SECTION("shorter than a header") {
    frame.resize(13);
    expected = &counters.dropped_short;
  }
  SECTION("an IP length beyond the frame") {
    store_be16(&frame[16], 200);
    frame[24] = frame[25] = 0;
    flags = nic::kRxIpChecksumGood;
    expected = &counters.dropped_short;
  }
  SECTION("an IP checksum") {
    frame[24] ^= 1;
    expected = &counters.dropped_checksum;
  }
  SECTION("a TCP checksum") {
    frame[55] ^= 1;
    expected = &counters.dropped_checksum;
  }
  SECTION("what the NIC found bad") {
    flags = nic::kRxChecksumBad;
    expected = &counters.dropped_checksum;
  }
  SECTION("a TCP header longer than the segment") {
    frame[14 + 20 + 12] = 0xf0;
    flags = nic::kRxL4ChecksumGood;
    expected = &counters.dropped_short;
  }
  SECTION("an IPv4 fragment") {
    frame[20] = 0x20;  // more fragments
    flags = nic::kRxIpChecksumGood;
    expected = &counters.dropped_fragment;
  }
  SECTION("an IPv6 fragment without a byte") {
    const Bytes body{6, 0, 0, 1, 0, 0, 0, 1};
    frame = ethernet(kOwnMac, wire::kTypeIpv6, ipv6(v6(7), v6(1), 44, body));
    expected = &counters.dropped_fragment;
  }
  expect_drop(fixture, frame, flags, *expected);
}

TEST_CASE("frames of others and from addresses that cannot be are dropped and counted by the reason", "[net]") {
  NetFixture fixture;
  const net::NetCounters& counters = fixture.interface.counters();
  Bytes frame = segment_frame();
  const uint64_t* expected = nullptr;
  SECTION("another station's") {
    frame[5] = 9;
    expected = &counters.dropped_not_ours;
  }
  SECTION("another address") {
    const auto other = v4(10, 9, 0, 2);
    frame = ethernet(kOwnMac, wire::kTypeIpv4, ipv4(kPeer, other, 6, tcp_segment(kPeer, other, {})));
    expected = &counters.dropped_not_ours;
  }
  SECTION("to a group's MAC") {
    frame[0] = 1;
    expected = &counters.dropped_not_ours;
  }
  SECTION("a tag of a VLAN") {
    frame = ethernet(kOwnMac, wire::kTypeIpv4, Bytes(frame.begin() + 14, frame.end()), 5);
    expected = &counters.dropped_not_ours;
  }
  SECTION("our own address as source") {
    frame = ethernet(kOwnMac, wire::kTypeIpv4, ipv4(kOwn, kOwn, 6, tcp_segment(kOwn, kOwn, {})));
    expected = &counters.dropped_martian;
  }
  SECTION("a loopback source") {
    const auto lo = v4(127, 0, 0, 1);
    frame = ethernet(kOwnMac, wire::kTypeIpv4, ipv4(lo, kOwn, 6, tcp_segment(lo, kOwn, {})));
    expected = &counters.dropped_martian;
  }
  SECTION("a broadcast source") {
    const auto all = v4(10, 9, 0, 255);
    frame = ethernet(kOwnMac, wire::kTypeIpv4, ipv4(all, kOwn, 6, tcp_segment(all, kOwn, {})));
    expected = &counters.dropped_martian;
  }
  SECTION("a mapped IPv4 source in IPv6") {
    frame = ethernet(kOwnMac, wire::kTypeIpv6, ipv6(kPeer, v6(1), 6, tcp_segment(v6(7), v6(1), {})));
    expected = &counters.dropped_martian;
  }
  SECTION("another protocol family") {
    store_be16(&frame[12], 0x88cc);
    expected = &counters.dropped_not_ours;
  }
  expect_drop(fixture, frame, 0, *expected);
}

TEST_CASE("checksums that the NIC has verified are not computed again", "[net]") {
  NetFixture fixture;
  Bytes frame = segment_frame();
  frame[24] ^= 1;
  frame[50] ^= 1;
  fixture.receive(frame, nic::kRxIpChecksumGood | nic::kRxL4ChecksumGood);
  REQUIRE(fixture.tcp.segments.size() == 1);
}

TEST_CASE("with a VLAN only its frames are taken, and frames carry its tag", "[net]") {
  net::InterfaceOptions options = NetFixture::defaults();
  options.vlan = 5;
  NetFixture fixture(options);
  const Bytes plain = segment_frame();
  const Bytes ip(plain.begin() + 14, plain.end());
  fixture.receive(plain);
  REQUIRE(fixture.tcp.segments.empty());
  fixture.receive(ethernet(kOwnMac, wire::kTypeIpv4, ip, 5 | 3 << 13));  // with a priority
  REQUIRE(fixture.tcp.segments.size() == 1);
  Bytes request(28);
  wire::ArpView::write(request.data(), 1, kPeerMac, kPeer.v4(), kOwnMac, kOwn.v4());
  fixture.receive(ethernet(kOwnMac, wire::kTypeArp, request, 5));
  REQUIRE(fixture.nic.sent.size() == 1);
  REQUIRE(load_be16(&fixture.nic.sent[0][12]) == wire::kTypeVlan);
  REQUIRE(load_be16(&fixture.nic.sent[0][14]) == 5);
}

namespace {
uint64_t difference(const net::NetCounters& before, const net::NetCounters& after, size_t at) {
  uint64_t values[2];
  std::memcpy(&values[0], reinterpret_cast<const char*>(&before) + at, sizeof values[0]);
  std::memcpy(&values[1], reinterpret_cast<const char*>(&after) + at, sizeof values[1]);
  return values[1] - values[0];
}
}  // namespace

TEST_CASE("what is seen of a frame at a glance is what is seen layer by layer", "[net]") {
  static_assert(sizeof(net::NetCounters) % sizeof(uint64_t) == 0);
  const net::IpAddress far = v4(10, 200, 0, 3);
  const Bytes good = ethernet(kOwnMac, wire::kTypeIpv4, ipv4(far, kOwn, 6, tcp_segment(far, kOwn, {'a', 'b'})));
  const uint8_t flags = GENERATE(nic::kRxL4ChecksumGood, nic::kRxL4ChecksumGood | nic::kRxIpChecksumGood,
                                 nic::kRxL4ChecksumGood | nic::kRxChecksumBad);
  constexpr size_t kHeaderBits = (14 + 20 + 20) * 8;
  for (size_t bit = 0; bit <= kHeaderBits; ++bit) {
    Bytes frame = good;
    if (bit != kHeaderBits) frame[bit / 8] ^= static_cast<uint8_t>(1u << bit % 8);
    NetFixture first;   // of all that it is given
    NetFixture second;  // behind one for the same address
    second.receive(good, nic::kRxL4ChecksumGood);
    REQUIRE(second.tcp.segments.size() == 1);
    const net::NetCounters before_first = first.interface.counters();
    const net::NetCounters before_second = second.interface.counters();
    first.receive(frame, flags);
    second.receive(frame, flags);
    INFO("bit " << bit);
    REQUIRE(second.tcp.segments.size() == first.tcp.segments.size() + 1);
    if (!first.tcp.segments.empty()) {
      const Recorder::Seen& a = first.tcp.segments.back();
      const Recorder::Seen& b = second.tcp.segments.back();
      CHECK((a.flow == b.flow && a.bytes == b.bytes && a.header_bytes == b.header_bytes));
      CHECK((a.payload_bytes == b.payload_bytes && a.ecn == b.ecn && a.strayed == b.strayed));
    }
    for (size_t at = 0; at < sizeof(net::NetCounters); at += sizeof(uint64_t)) {
      INFO("counter " << at / sizeof(uint64_t));
      CHECK(difference(before_first, first.interface.counters(), at) == difference(before_second, second.interface.counters(), at));
    }
    CHECK(first.all_returned() == second.all_returned());
  }
}
