#include <catch2/catch.hpp>

#include "wire/arp.hpp"
#include "wire/ethernet.hpp"
#include "wire/icmp.hpp"
#include "wire/icmpv6.hpp"
#include "wire/ipv4.hpp"
#include "wire/ipv6.hpp"
#include "wire/ipv6_upper.hpp"

using namespace sluice;
using namespace sluice::wire;

namespace {
constexpr uint8_t kMacA[6] = {2, 0, 0, 0, 0, 1};
constexpr uint8_t kMacB[6] = {2, 0, 0, 0, 0, 2};
constexpr uint8_t kIpA[4] = {10, 9, 0, 1};
constexpr uint8_t kIpB[4] = {10, 9, 0, 2};
}  // namespace

TEST_CASE("an Ethernet header reads as it was written, with a tag and without", "[wire]") {
  uint8_t frame[32] = {};
  REQUIRE(EthernetView::write(frame, kMacA, kMacB, kTypeIpv4, 0) == 14);
  auto view = EthernetView::parse(frame, 14);
  REQUIRE(view);
  CHECK(view->type() == kTypeIpv4);
  CHECK(view->tag() == 0);
  CHECK(std::memcmp(view->source(), kMacB, 6) == 0);
  CHECK_FALSE(view->multicast());
  REQUIRE(EthernetView::write(frame, kMacA, kMacB, kTypeIpv6, 0x2005) == 18);
  view = EthernetView::parse(frame, 18);
  REQUIRE(view);
  CHECK(view->tag() == 0x2005);
  CHECK(view->type() == kTypeIpv6);
  CHECK(view->header_bytes() == 18);
  CHECK_FALSE(EthernetView::parse(frame, 17));
  CHECK_FALSE(EthernetView::parse(frame, 13));
}

TEST_CASE("ARP: only Ethernet and IPv4, whole", "[wire]") {
  uint8_t packet[28];
  ArpView::write(packet, ArpView::kRequest, kMacA, kIpA, kMacB, kIpB);
  const auto view = ArpView::parse(packet, 28);
  REQUIRE(view);
  CHECK(view->operation() == ArpView::kRequest);
  CHECK(std::memcmp(view->sender_ip(), kIpA, 4) == 0);
  CHECK(std::memcmp(view->target_ip(), kIpB, 4) == 0);
  CHECK_FALSE(ArpView::parse(packet, 27));
  packet[1] = 6;
  CHECK_FALSE(ArpView::parse(packet, 28));
}

TEST_CASE("an IPv4 header reads as it was written; lengths that lie are refused", "[wire]") {
  uint8_t packet[60] = {};
  Ipv4View::write(packet, {.total_bytes = 60, .tos = 3, .protocol = kProtocolTcp, .source = kIpA, .target = kIpB});
  const auto view = Ipv4View::parse(packet, 60);
  REQUIRE(view);
  CHECK(view->checksum_good());
  CHECK(view->payload_bytes() == 40);
  CHECK(view->ecn() == 3);
  CHECK(view->dont_fragment());
  CHECK_FALSE(view->is_fragment());
  CHECK_FALSE(Ipv4View::parse(packet, 59));
  CHECK(Ipv4View::parse_quoted(packet, 28));
  CHECK(Ipv4View::is_plain(packet, 60));
  CHECK_FALSE(Ipv4View::is_plain(packet, 59));
  packet[7] = 1;
  CHECK_FALSE(Ipv4View::is_plain(packet, 60));
  packet[7] = 0;
  packet[8] = 1;
  CHECK_FALSE(view->checksum_good());
  packet[0] = 0x46;
  CHECK_FALSE(Ipv4View::is_plain(packet, 60));
  packet[0] = 0x44;
  CHECK_FALSE(Ipv4View::parse(packet, 60));
  packet[0] = 0x4f;
  CHECK(Ipv4View::parse(packet, 60));
  store_be16(packet + 2, 59);
  CHECK_FALSE(Ipv4View::parse(packet, 60));
  packet[0] = 0x65;
  CHECK_FALSE(Ipv4View::parse(packet, 60));
}

TEST_CASE("an IPv6 header reads as it was written", "[wire]") {
  uint8_t a[16] = {0xfd, 1};
  uint8_t b[16] = {0xfd, 2};
  uint8_t packet[60] = {};
  Ipv6View::write(packet, {.payload_bytes = 20,
                           .next_header = kProtocolTcp,
                           .traffic_class = 2,
                           .flow_label = 0x12345,
                           .source = a,
                           .target = b});
  const auto view = Ipv6View::parse(packet, 60);
  REQUIRE(view);
  CHECK(view->ecn() == 2);
  CHECK(view->flow_label() == 0x12345);
  CHECK(view->payload_bytes() == 20);
  CHECK(view->hop_limit() == 64);
  CHECK(std::memcmp(view->target(), b, 16) == 0);
  CHECK_FALSE(Ipv6View::parse(packet, 59));
}

TEST_CASE("extension headers are walked within their bounds (RFC 8200 §4)", "[wire]") {
  uint8_t data[64] = {};
  CHECK(find_ipv6_upper(6, data, 20)->offset == 0);
  // Hop-by-hop of 16 bytes, destination options of 8, then TCP.
  data[0] = 60;
  data[1] = 1;
  data[16] = 6;
  const auto upper = find_ipv6_upper(0, data, 64);
  REQUIRE(upper);
  CHECK(upper->protocol == 6);
  CHECK(upper->offset == 24);
  CHECK_FALSE(find_ipv6_upper(0, data, 20));
  CHECK_FALSE(find_ipv6_upper(0, data, 4));
  // A fragment header: an atomic fragment (offset 0, no more) is a whole packet (RFC 6946).
  uint8_t fragment[8] = {6, 0, 0, 0, 1, 2, 3, 4};
  CHECK(find_ipv6_upper(44, fragment, 8)->protocol == 6);
  CHECK_FALSE(find_ipv6_upper(44, fragment, 8)->fragment);
  fragment[3] = 1;
  CHECK(find_ipv6_upper(44, fragment, 8)->fragment);
  // Endless options end the walk.
  uint8_t chain[128] = {};
  for (int i = 0; i < 128; i += 8) chain[i] = 60;
  CHECK_FALSE(find_ipv6_upper(60, chain, 128));
}

TEST_CASE("extension headers say what becomes of those who do not know them (RFC 8200 §4)", "[wire]") {
  struct Case {
    const char* what;
    uint8_t first;
    std::vector<uint8_t> bytes;
    Ipv6Verdict verdict;
    uint8_t code;
    uint32_t pointer;
  };
  const std::vector<Case> cases{
      {"padding", 60, {6, 0, 1, 4, 0, 0, 0, 0}, Ipv6Verdict::kTake, 0, 0},
      {"padding of one byte", 0, {6, 0, 0, 0, 0, 0, 0, 0}, Ipv6Verdict::kTake, 0, 0},
      {"an option to skip", 0, {6, 0, 0x1e, 4, 0, 0, 0, 0}, Ipv6Verdict::kTake, 0, 0},
      {"an option to discard for", 60, {6, 0, 0x5e, 4, 0, 0, 0, 0}, Ipv6Verdict::kDiscard, 0, 0},
      {"an option to complain of", 60, {6, 0, 0, 0, 0x9e, 2, 0, 0}, Ipv6Verdict::kProblem, kProblemOption, 44},
      {"a jumbo payload", 0, {6, 0, 0xc2, 4, 0, 1, 0, 0}, Ipv6Verdict::kProblem, kProblemOption, 42},
      {"an option that is cut off", 60, {6, 0, 1, 9, 0, 0, 0, 0}, Ipv6Verdict::kDiscard, 0, 0},
      {"a route that is at its end", 43, {6, 0, 0, 0, 0, 0, 0, 0}, Ipv6Verdict::kTake, 0, 0},
      {"a route that goes on", 43, {6, 0, 0, 1, 0, 0, 0, 0}, Ipv6Verdict::kProblem, kProblemField, 42},
      {"hop by hop behind another", 60, {0, 0, 1, 4, 0, 0, 0, 0, 6, 0, 1, 4, 0, 0, 0, 0}, Ipv6Verdict::kProblem, kProblemNextHeader, 40},
  };
  for (const Case& one : cases) {
    INFO(one.what);
    const auto upper = find_ipv6_upper(one.first, one.bytes.data(), static_cast<uint32_t>(one.bytes.size()));
    REQUIRE(upper);
    CHECK(upper->verdict == one.verdict);
    if (one.verdict == Ipv6Verdict::kTake) CHECK((upper->protocol == 6 && upper->named_at == 40));
    if (one.verdict != Ipv6Verdict::kProblem) continue;
    CHECK(upper->code == one.code);
    CHECK(upper->pointer == one.pointer);
  }
}

TEST_CASE("ICMP messages carry a checksum over all of them", "[wire]") {
  uint8_t message[16] = {};
  message[12] = 0x5a;
  IcmpView::write(message, 16, icmp::kEcho, 0, 0x00070001);
  const auto view = IcmpView::parse(message, 16);
  REQUIRE(view);
  CHECK(view->type() == icmp::kEcho);
  CHECK(view->rest() == 0x00070001);
  CHECK(view->checksum_good());
  CHECK(view->body_bytes() == 8);
  message[15] = 1;
  CHECK_FALSE(view->checksum_good());
  CHECK_FALSE(IcmpView::parse(message, 7));
}

TEST_CASE("a neighbour message gives its target and link-layer address; bad options refuse it", "[wire]") {
  uint8_t target[16] = {0xfe, 0x80};
  uint8_t message[NeighborView::kBytesWithMac] = {};
  NeighborView::write_body(message, target, NeighborView::kOptionTargetMac, kMacA);
  IcmpView::write(message, sizeof message, icmpv6::kNeighborAdvertisement, 0, NeighborView::kFlagSolicited);
  const auto view = NeighborView::parse(message, sizeof message);
  REQUIRE(view);
  CHECK(std::memcmp(view->target(), target, 16) == 0);
  REQUIRE(view->mac(NeighborView::kOptionTargetMac) != nullptr);
  CHECK(std::memcmp(view->mac(NeighborView::kOptionTargetMac), kMacA, 6) == 0);
  CHECK(view->mac(NeighborView::kOptionSourceMac) == nullptr);
  CHECK(view->flags() == NeighborView::kFlagSolicited);
  CHECK(NeighborView::parse(message, 24));
  CHECK_FALSE(NeighborView::parse(message, 31));
  message[25] = 0;
  CHECK_FALSE(NeighborView::parse(message, 32));
}
