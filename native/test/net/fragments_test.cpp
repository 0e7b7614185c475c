#include <algorithm>
#include <catch2/catch.hpp>

#include "test/net/net_fixture.hpp"

using namespace sluice;
using namespace sluice::test;

namespace {

const net::IpAddress kPeer = v4(10, 9, 0, 7);
const net::IpAddress kOwn = v4(10, 9, 0, 1);
const net::IpAddress kPeer6 = v6(7);
const net::IpAddress kOwn6 = v6(1);
constexpr uint8_t kTcp = 6;
constexpr uint8_t kIcmp = 1;
constexpr uint64_t kMinuteUs = 60'000'000;

struct Cut {
  uint32_t offset;
  uint32_t bytes;
  bool more;
};

void seal(Bytes& packet) {
  store_be16(&packet[10], 0);
  wire::Checksum sum;
  sum.add(packet.data(), 20);
  wire::store_checksum(&packet[10], sum.finish());
}

Bytes part_of(const Bytes& message, const Cut& cut) {
  Bytes part(cut.bytes, 0xee);
  for (uint32_t i = 0; i < cut.bytes && cut.offset + i < message.size(); ++i) part[i] = message[cut.offset + i];
  return part;
}

Bytes fragment_v4(const Bytes& message, const Cut& cut, uint16_t id = 5, uint8_t protocol = kTcp, const net::IpAddress& from = kPeer,
                  uint8_t ecn = 0) {
  Bytes packet = ipv4(from, kOwn, protocol, part_of(message, cut));
  packet[1] = ecn;
  store_be16(&packet[4], id);
  store_be16(&packet[6], static_cast<uint16_t>(cut.offset / 8 | (cut.more ? 0x2000 : 0)));
  seal(packet);
  return ethernet(kOwnMac, wire::kTypeIpv4, packet);
}

Bytes fragment_v6(const Bytes& message, const Cut& cut, uint32_t id = 5, uint8_t protocol = kTcp) {
  Bytes body{protocol, 0, 0, 0, 0, 0, 0, 0};
  store_be16(&body[2], static_cast<uint16_t>(cut.offset | (cut.more ? 1 : 0)));
  store_be32(&body[4], id);
  const Bytes part = part_of(message, cut);
  body.insert(body.end(), part.begin(), part.end());
  return ethernet(kOwnMac, wire::kTypeIpv6, ipv6(kPeer6, kOwn6, 44, body));
}

Bytes numbers(size_t bytes) {
  Bytes out(bytes);
  for (size_t i = 0; i < bytes; ++i) out[i] = static_cast<uint8_t>(i * 7 + i / 256);
  return out;
}

Bytes segment_v4(size_t payload) { return tcp_segment(kPeer, kOwn, numbers(payload)); }

Bytes echo_request(size_t bytes) {
  Bytes message(8);
  const Bytes data = numbers(bytes);
  message.insert(message.end(), data.begin(), data.end());
  wire::IcmpView::write(message.data(), static_cast<uint32_t>(message.size()), wire::icmp::kEcho, 0, 0x00010002);
  return message;
}

// All pieces of `step` bytes, the last shorter.
std::vector<Cut> cuts_of(size_t total, uint32_t step) {
  std::vector<Cut> cuts;
  for (uint32_t at = 0; at < total; at += step) {
    const auto bytes = std::min(step, static_cast<uint32_t>(total) - at);
    cuts.push_back({at, bytes, at + bytes < total});
  }
  return cuts;
}

// A fixture whose peers' MAC addresses are known.
struct Fragmented : NetFixture {
  Fragmented() { learn(kPeer); }
  explicit Fragmented(const net::InterfaceOptions& options) : NetFixture(options) { learn(kPeer); }

  void receive_v4(const Bytes& message, const std::vector<Cut>& cuts, uint16_t id = 5, uint8_t protocol = kTcp) {
    for (const Cut& cut : cuts) receive(fragment_v4(message, cut, id, protocol));
  }
  const net::NetCounters& counters() const { return interface.counters(); }
};

}  // namespace

TEST_CASE("a segment that comes in fragments is put together, in whatever order they come", "[net][fragments]") {
  const Bytes segment = segment_v4(3000);
  const uint32_t step = GENERATE(56u, 104u, 1480u);

  std::vector<Cut> cuts = cuts_of(segment.size(), step);
  SECTION("in order") {}
  SECTION("backwards") { std::reverse(cuts.begin(), cuts.end()); }
  SECTION("the even ones first") {
    std::stable_partition(cuts.begin(), cuts.end(), [&](const Cut& cut) { return cut.offset / step % 2 == 0; });
  }
  Fragmented fixture;
  fixture.receive_v4(segment, cuts);
  REQUIRE(fixture.tcp.segments.size() == 1);
  REQUIRE(fixture.tcp.segments[0].bytes == segment);
  REQUIRE(fixture.tcp.segments[0].payload_bytes == 3000);
  REQUIRE(fixture.counters().packets_reassembled == 1);
  REQUIRE(fixture.counters().fragments_in == cuts.size());
  REQUIRE(fixture.all_returned());
}

TEST_CASE("of IPv6 too, without the fragment header", "[net][fragments]") {
  const Bytes segment = tcp_segment(kPeer6, kOwn6, numbers(2500));
  NetFixture fixture;
  for (const Cut& cut : cuts_of(segment.size(), 1232)) fixture.receive(fragment_v6(segment, cut));
  REQUIRE(fixture.tcp.segments.size() == 1);
  REQUIRE(fixture.tcp.segments[0].bytes == segment);
  REQUIRE(fixture.all_returned());
}

TEST_CASE("packets that are cut at the same time are told apart", "[net][fragments]") {
  const Bytes one = tcp_segment(kPeer, kOwn, Bytes(200, 1));
  const Bytes two = tcp_segment(kPeer, kOwn, Bytes(200, 2));
  Fragmented fixture;
  fixture.receive(fragment_v4(one, {0, 104, true}, 5));
  fixture.receive(fragment_v4(two, {0, 104, true}, 6));
  fixture.receive(fragment_v4(two, {104, 116, false}, 6));
  fixture.receive(fragment_v4(one, {104, 116, false}, 5));
  REQUIRE(fixture.tcp.segments.size() == 2);
  REQUIRE(fixture.tcp.segments[0].bytes == two);
  REQUIRE(fixture.tcp.segments[1].bytes == one);
}

TEST_CASE("a checksum is looked at when a packet is whole, whatever the device says of its parts", "[net][fragments]") {
  Bytes segment = segment_v4(400);
  segment[300] ^= 1;
  Fragmented fixture;
  for (const Cut& cut : cuts_of(segment.size(), 104)) fixture.receive(fragment_v4(segment, cut), nic::kRxL4ChecksumGood);
  REQUIRE(fixture.tcp.segments.empty());
  REQUIRE(fixture.counters().dropped_checksum == 1);
  REQUIRE(fixture.all_returned());
}

TEST_CASE("RFC 8200 §4.5: fragments that overlap end the packet, what comes of it later included; a double does not", "[net][fragments]") {
  const Bytes segment = segment_v4(380);
  Fragmented fixture;
  fixture.receive_v4(segment, {{0, 104, true}, {104, 96, true}});
  bool taken = false;
  SECTION("over the end of one") { fixture.receive_v4(segment, {{96, 8, true}}); }
  SECTION("over the begin of one") { fixture.receive_v4(segment, {{0, 112, true}}); }
  SECTION("within one") { fixture.receive_v4(segment, {{16, 16, true}}); }
  SECTION("a second end") { fixture.receive_v4(segment, {{304, 96, false}, {200, 104, false}}); }
  SECTION("behind the end") { fixture.receive_v4(segment, {{392, 8, false}, {400, 8, true}}); }
  SECTION("an end in front of what is there") { fixture.receive_v4(segment, {{96, 4, false}}); }
  SECTION("a double") {
    fixture.receive_v4(segment, {{0, 104, true}, {104, 96, true}});
    taken = true;
  }
  fixture.receive_v4(segment, {{200, 200, false}});
  REQUIRE(fixture.tcp.segments.size() == (taken ? 1 : 0));
  REQUIRE(fixture.counters().fragments_refused == (taken ? 0 : 1));
  REQUIRE(fixture.nic.sent.empty());
  REQUIRE(fixture.all_returned());
}

TEST_CASE("fragments that cannot be are dropped", "[net][fragments]") {
  const Bytes segment = segment_v4(380);
  Fragmented fixture;
  SECTION("RFC 1858: one that hides TCP's flags") { fixture.receive_v4(segment, {{0, 8, true}}); }
  SECTION("RFC 1858: one that replaces them") { fixture.receive_v4(segment, {{8, 392, false}}); }
  SECTION("not the last, and not a multiple of eight bytes") { fixture.receive_v4(segment, {{0, 100, true}}); }
  SECTION("without a byte") { fixture.receive_v4(segment, {{104, 0, true}}); }
  SECTION("beyond the longest packet") { fixture.receive_v4(segment, {{65'528, 16, false}}); }
  REQUIRE(fixture.counters().dropped_fragment == 1);
  REQUIRE(fixture.counters().fragments_in == 0);
  REQUIRE(fixture.all_returned());
}

TEST_CASE("RFC 8200 §4.5: the sender of an IPv6 fragment that cannot be is told", "[net][fragments]") {
  const Bytes segment = tcp_segment(kPeer6, kOwn6, numbers(400));
  NetFixture fixture;
  fixture.send(kPeer6);
  Bytes answer(24);
  answer[0] = wire::icmpv6::kNeighborAdvertisement;
  answer[4] = 0x60;
  std::copy_n(kPeer6.bytes, 16, &answer[8]);
  const Bytes option{2, 1, kPeerMac[0], kPeerMac[1], kPeerMac[2], kPeerMac[3], kPeerMac[4], kPeerMac[5]};
  answer.insert(answer.end(), option.begin(), option.end());
  wire::Checksum sum;
  wire::add_pseudo_header_v6(sum, kPeer6.bytes, kOwn6.bytes, 58, static_cast<uint32_t>(answer.size()));
  sum.add(answer.data(), static_cast<uint32_t>(answer.size()));
  wire::store_checksum(&answer[2], sum.finish());
  fixture.receive(ethernet(kOwnMac, wire::kTypeIpv6, ipv6(kPeer6, kOwn6, 58, answer, 255)));
  fixture.nic.sent.clear();
  uint8_t code = 0;
  uint32_t pointer = 0;
  SECTION("not a multiple of eight bytes") {
    fixture.receive(fragment_v6(segment, {0, 100, true}));
    pointer = 4;
  }
  SECTION("beyond the longest packet") {
    fixture.receive(fragment_v6(segment, {65'528, 16, false}));
    pointer = 42;
  }
  SECTION("a first one without all headers") {
    fixture.receive(fragment_v6(segment, {0, 16, true}));
    code = 3;
  }
  REQUIRE(fixture.nic.sent.size() == 1);
  const Bytes& error = fixture.nic.sent[0];
  REQUIRE(error[54] == wire::icmpv6::kParameterProblem);
  REQUIRE(error[55] == code);
  REQUIRE(load_be32(&error[58]) == pointer);
}

TEST_CASE("RFC 1122 §3.3.2: what is not complete in a minute is given up, and the sender told by its first fragment", "[net][fragments]") {
  const Bytes segment = segment_v4(380);
  Fragmented fixture;
  const bool first = GENERATE(true, false);
  fixture.receive_v4(segment, {first ? Cut{0, 200, true} : Cut{200, 200, false}});
  fixture.run(kMinuteUs - 1);
  REQUIRE(fixture.counters().fragments_timed_out == 0);
  fixture.nic.sent.clear();
  fixture.run(2);
  REQUIRE(fixture.counters().fragments_timed_out == 1);
  std::erase_if(fixture.nic.sent, [](const Bytes& frame) { return load_be16(&frame[12]) != wire::kTypeIpv4; });
  REQUIRE(fixture.nic.sent.size() == (first ? 1 : 0));
  if (first) {
    REQUIRE(fixture.nic.sent[0][34] == wire::icmp::kTimeExceeded);
    REQUIRE(fixture.nic.sent[0][35] == 1);
    REQUIRE(load_be16(&fixture.nic.sent[0][42 + 4]) == 5);  // the identification of what is quoted
  }
  REQUIRE(fixture.all_returned());
}

TEST_CASE("fragments take no more than a bounded part of all packets, and one source not all of it", "[net][fragments]") {
  const Bytes segment = segment_v4(380);
  Fragmented fixture;
  const uint32_t most = fixture.nic.heap().total_count() / 16;
  for (uint16_t id = 0; id < 500; ++id) fixture.receive(fragment_v4(segment, {0, 200, true}, id));
  REQUIRE(fixture.nic.heap().total_count() - fixture.nic.heap().free_count() <= most);
  REQUIRE(fixture.counters().fragments_evicted >= 400);
  for (uint16_t id = 0; id < 500; ++id) {
    fixture.receive(fragment_v4(segment, {0, 200, true}, id, kTcp, v4(10, 9, 0, static_cast<uint8_t>(20 + id % 200))));
  }
  REQUIRE(fixture.nic.heap().total_count() - fixture.nic.heap().free_count() <= most);
  // An honest one among them.
  fixture.receive_v4(segment, cuts_of(segment.size(), 200), 999);
  REQUIRE(fixture.tcp.segments.size() == 1);
  fixture.run(kMinuteUs + 1);
  // What its senders are told waits for their MAC addresses, which nobody answers for.
  for (int second = 0; second < 5; ++second) fixture.run(1'100'000);
  REQUIRE(fixture.all_returned());
}

TEST_CASE("a packet in more fragments than any needs is given up", "[net][fragments]") {
  const Bytes segment = segment_v4(2100);
  net::InterfaceOptions options = NetFixture::defaults();
  Fragmented fixture(options);
  const std::vector<Cut> cuts = cuts_of(segment.size(), 16);
  REQUIRE(cuts.size() > 128);
  fixture.receive_v4(segment, cuts);
  REQUIRE(fixture.tcp.segments.empty());
  REQUIRE(fixture.counters().fragments_refused == 1);
  REQUIRE(fixture.all_returned());
}

TEST_CASE("RFC 3168 §5.3: a mark on a fragment is the packet's", "[net][fragments]") {
  const Bytes segment = segment_v4(180);
  Fragmented fixture;
  const uint8_t other = GENERATE(uint8_t{2}, uint8_t{0});
  fixture.receive(fragment_v4(segment, {0, 104, true}, 5, kTcp, kPeer, other));
  fixture.receive(fragment_v4(segment, {104, 96, false}, 5, kTcp, kPeer, 3));
  // Beside fragments that cannot be marked a mark is a forgery.
  REQUIRE(fixture.tcp.segments.size() == (other == 2 ? 1 : 0));
  if (other == 2) REQUIRE(fixture.tcp.segments[0].ecn == net::Ecn::kCongestion);
  REQUIRE(fixture.all_returned());
}

TEST_CASE("RFC 1122 §3.2.2.6: an echo that came in fragments is answered whole, in fragments", "[net][fragments]") {
  const size_t bytes = GENERATE(size_t{300}, size_t{4000}, size_t{65'000});
  const Bytes request = echo_request(bytes);
  Fragmented fixture;
  for (const Cut& cut : cuts_of(request.size(), 1480)) fixture.receive(fragment_v4(request, cut, 9, kIcmp));
  if (bytes == 300) {
    REQUIRE(fixture.nic.sent.size() == 1);
    return;
  }
  Bytes reply(request.size());
  size_t got = 0;
  uint32_t ends = 0;
  for (const Bytes& frame : fixture.nic.sent) {
    REQUIRE(frame.size() <= 1514);
    const uint16_t field = load_be16(&frame[20]);
    REQUIRE(load_be16(&frame[18]) == load_be16(&fixture.nic.sent[0][18]));
    std::copy(frame.begin() + 34, frame.end(), reply.begin() + (field & 0x1fff) * 8);
    got += frame.size() - 34;
    if ((field & 0x2000) == 0) ++ends;
  }
  REQUIRE(ends == 1);
  REQUIRE(got == request.size());
  wire::Checksum sum;
  sum.add(reply.data(), static_cast<uint32_t>(reply.size()));
  REQUIRE(sum.good());
  REQUIRE(reply[0] == wire::icmp::kEchoReply);
  REQUIRE(std::equal(reply.begin() + 4, reply.end(), request.begin() + 4));
  REQUIRE(fixture.all_returned());
}

TEST_CASE("RFC 6980 §5: what is about neighbours does not come in fragments", "[net][fragments]") {
  Bytes message(32);
  message[0] = wire::icmpv6::kNeighborSolicitation;
  std::copy_n(kOwn6.bytes, 16, &message[8]);
  wire::Checksum sum;
  wire::add_pseudo_header_v6(sum, kPeer6.bytes, kOwn6.bytes, 58, 32);
  sum.add(message.data(), 32);
  wire::store_checksum(&message[2], sum.finish());
  NetFixture fixture;
  for (const Cut& cut : cuts_of(message.size(), 16)) fixture.receive(fragment_v6(message, cut, 5, 58));
  REQUIRE(fixture.nic.sent.empty());
  REQUIRE(fixture.interface.counters().dropped_neighbor_message == 1);
  REQUIRE(fixture.all_returned());
}

TEST_CASE("of a device with several cores, a segment from fragments may be another's", "[net][fragments]") {
  net::InterfaceOptions options = NetFixture::defaults();
  options.alone = GENERATE(true, false);
  Fragmented fixture(options);
  const Bytes segment = segment_v4(380);
  fixture.receive_v4(segment, cuts_of(segment.size(), 200));
  REQUIRE(fixture.tcp.segments.size() == 1);
  REQUIRE(fixture.tcp.segments[0].strayed == !options.alone);
}
