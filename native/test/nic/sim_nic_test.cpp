#include <catch2/catch.hpp>

#include "nic/sim_offload.hpp"
#include "test/nic/nic_fixture.hpp"
#include "wire/ethernet.hpp"
#include "wire/ipv4.hpp"
#include "wire/tcp.hpp"

namespace sluice::nic::test {
namespace {

using Numbers = std::vector<int>;

constexpr uint8_t kMacA[6] = {2, 0, 0, 0, 0, 1};
constexpr uint8_t kMacB[6] = {2, 0, 0, 0, 0, 2};
constexpr uint8_t kIpA[4] = {10, 0, 0, 1};
constexpr uint8_t kIpB[4] = {10, 0, 0, 2};

// A TCP segment as the stack hands it to a device that computes checksums.
Packet* segment(PacketPool& pool, uint32_t payload, uint8_t flags, uint16_t segment_bytes) {
  Packet* const packet = pool.allocate(54 + payload);
  packet->length = static_cast<uint16_t>(54 + payload);
  packet->l2_bytes = 14;
  packet->l3_bytes = 20;
  packet->l4_bytes = 20;
  packet->segment_bytes = segment_bytes;
  packet->flags = static_cast<uint8_t>(kTxIpChecksum | kTxL4Checksum | (segment_bytes != 0 ? kTxSegment : 0));
  uint8_t* const at = packet->data;
  wire::EthernetView::write(at, kMacB, kMacA, wire::kTypeIpv4, 0);
  wire::Ipv4View::write(at + 14, {.total_bytes = static_cast<uint16_t>(40 + payload), .protocol = 6, .source = kIpA, .target = kIpB});
  wire::TcpView::write(at + 34, {1000, 2000, 7'000, 8'000, 500, 20, flags});
  wire::Checksum sum;
  wire::add_pseudo_header_v4(sum, kIpA, kIpB, 6, static_cast<uint16_t>(20 + payload));
  wire::store_checksum(at + 34 + wire::TcpView::kChecksumOffset, sum.raw());
  for (uint32_t i = 0; i < payload; ++i) at[54 + i] = static_cast<uint8_t>(i * 7);
  return packet;
}

bool checksums_good(const std::string& frame) {
  std::vector<uint8_t> bytes(frame.begin(), frame.end());
  const auto ip = wire::Ipv4View::parse(bytes.data() + 14, static_cast<uint32_t>(bytes.size()) - 14);
  if (!ip || !ip->checksum_good()) return false;
  wire::Checksum sum;
  wire::add_pseudo_header_v4(sum, ip->source(), ip->target(), 6, static_cast<uint16_t>(ip->payload_bytes()));
  sum.add(ip->payload(), ip->payload_bytes());
  return sum.good();
}

TEST_CASE("sim nic: frames come in order, after the delay, and every packet goes home", "[nic]") {
  Pair pair({.delay_ns = 5'000'000});
  for (uint8_t i = 0; i < 20; ++i) REQUIRE(send(pair.a, i));
  pair.clock.advance_us(4'999);
  CHECK(receive_all(pair.b).empty());
  CHECK(pair.a.next_event_ns() == 5'000'000);
  pair.clock.advance_us(1);
  Numbers expected;
  for (int i = 0; i < 20; ++i) expected.push_back(i);
  CHECK(numbers(receive_all(pair.b)) == expected);
  CHECK(pair.a.pool().outstanding() == 0);
  CHECK(pair.b.pool().outstanding() == 0);
  CHECK(pair.a.next_event_ns() == UINT64_MAX);
}

TEST_CASE("sim nic: a bottleneck spaces frames and drops what its queue does not hold", "[nic]") {
  // 1,000 bytes with 24 around them take 8.192 ms at 1 Mbit/s.
  Pair pair({.bits_per_second = 1'000'000, .queue_bytes = 3'500});
  for (uint8_t i = 0; i < 10; ++i) REQUIRE(send(pair.a, i, 1'000));
  pair.clock.advance_us(8'192);
  CHECK(numbers(receive_all(pair.b)) == Numbers{0});
  pair.clock.advance_us(8'191);
  CHECK(receive_all(pair.b).empty());
  pair.clock.advance_us(1'000'000);
  CHECK(numbers(receive_all(pair.b)) == Numbers{1, 2});
  CHECK(pair.a.path_counters().dropped_full == 7);
}

TEST_CASE("sim nic: the device keeps packets until it has read them, and takes no more than its ring holds", "[nic]") {
  SimNicOptions options;
  options.tx_ring = 4;
  options.tx_read_ns = 10'000;
  Pair pair({}, options);
  Packet* frames[6];
  for (uint8_t i = 0; i < 6; ++i) frames[i] = numbered(pair.a.pool(), i);
  PacketPool::ref(frames[0]);
  CHECK(pair.a.transmit(frames, 6) == 4);
  CHECK(pair.a.counters().tx_full == 1);
  CHECK(pair.a.transmitting(frames[0]));
  CHECK_FALSE(pair.a.transmitting(frames[5]));
  pair.clock.advance_us(10);
  CHECK(numbers(receive_all(pair.b)) == Numbers{0, 1, 2, 3});
  CHECK_FALSE(pair.a.transmitting(frames[0]));
  CHECK(pair.a.transmit(frames + 4, 2) == 2);
  pair.clock.advance_us(10);
  CHECK(receive_all(pair.b).size() == 2);
  CHECK(pair.a.pool().outstanding() == 1);
  pair.a.pool().unref(frames[0]);
}

TEST_CASE("sim nic: a receiver without packets misses frames and counts them", "[nic]") {
  SimNicOptions options;
  options.packets = 8;
  options.rx_ring = 6;
  Pair pair({}, options);
  for (uint8_t i = 0; i < 8; ++i) REQUIRE(send(pair.a, i));
  pair.b.pool().set_limit(4);
  CHECK(pair.b.pool().free_count() == 4);
  Packet* frames[8];
  CHECK(pair.b.receive(frames, 8) == 4);
  CHECK(pair.b.counters().rx_missed == 4);
  CHECK(pair.b.pool().allocate(PacketPool::kSmallBytes + 1) == nullptr);
  Packet* const small = pair.b.pool().allocate(PacketPool::kSmallBytes);
  REQUIRE(small != nullptr);
  pair.b.pool().unref(small);
  for (uint32_t i = 0; i < 4; ++i) pair.b.pool().unref_frame(frames[i]);
  CHECK(pair.b.pool().outstanding() == 0);
}

TEST_CASE("sim nic: frames longer than the path's MTU vanish; short ones are padded", "[nic]") {
  SimNicOptions options;
  options.capabilities.mtu = 1'500;
  Pair pair({.mtu = 600}, options);
  REQUIRE(send(pair.a, 1, 614));
  REQUIRE(send(pair.a, 2, 615));
  REQUIRE(send(pair.a, 3, 20));
  const auto got = receive_all(pair.b);
  CHECK(numbers(got) == Numbers{1, 3});
  CHECK(got[1].size() == 60);
  CHECK(pair.a.path_counters().dropped_size == 1);
}

TEST_CASE("sim nic: a chain is sent as one frame and received in small pieces", "[nic]") {
  SimNicOptions options;
  options.capabilities.max_pieces = 3;
  options.rx_piece_bytes = 64;
  Pair pair({}, options);
  Packet* first = numbered(pair.a.pool(), 0, 70);
  first->next = numbered(pair.a.pool(), 70, 80);
  first->next->next = numbered(pair.a.pool(), 150, 1);
  CHECK(pair.a.transmit(&first, 1) == 1);
  Packet* frame = nullptr;
  REQUIRE(pair.b.receive(&frame, 1) == 1);
  Numbers lengths;
  int bytes = 0;
  for (const Packet* piece = frame; piece != nullptr; piece = piece->next) {
    lengths.push_back(piece->length);
    for (uint32_t i = 0; i < piece->length; ++i, ++bytes) REQUIRE(piece->data[i] == bytes);
  }
  CHECK(lengths == Numbers{64, 64, 23});
  pair.b.pool().unref_frame(frame);
  CHECK(pair.a.pool().outstanding() == 0);
  CHECK(pair.b.pool().outstanding() == 0);
}

TEST_CASE("sim nic: checksums and segments as a device makes them", "[nic]") {
  SimNicOptions options;
  options.packet_bytes = 8'192;
  options.capabilities.tx_ip_checksum = options.capabilities.tx_l4_checksum = options.capabilities.tso = true;
  options.capabilities.rx_checksum = true;
  Pair pair({}, options);
  Packet* plain = segment(pair.a.pool(), 101, wire::kAck | wire::kPsh, 0);
  Packet* large = segment(pair.a.pool(), 2'500, wire::kAck | wire::kPsh | wire::kFin | wire::kCwr, 1'000);
  CHECK(pair.a.transmit(&plain, 1) == 1);
  CHECK(pair.a.transmit(&large, 1) == 1);
  const auto got = receive_all(pair.b);
  REQUIRE(got.size() == 4);
  for (const std::string& frame : got) CHECK(checksums_good(frame));
  Numbers offsets;
  Numbers flags;
  std::string payload;
  for (size_t i = 1; i < 4; ++i) {
    std::vector<uint8_t> bytes(got[i].begin(), got[i].end());
    const auto tcp = wire::TcpView::parse(bytes.data() + 34, static_cast<uint32_t>(bytes.size()) - 34);
    REQUIRE(tcp);
    offsets.push_back(static_cast<int>(tcp->seq() - 7'000));
    flags.push_back(tcp->flags());
    payload += got[i].substr(54);
  }
  CHECK(offsets == Numbers{0, 1'000, 2'000});
  CHECK(flags == Numbers{wire::kAck | wire::kCwr, wire::kAck, wire::kAck | wire::kPsh | wire::kFin});
  REQUIRE(payload.size() == 2'500);
  for (size_t i = 0; i < payload.size(); ++i) REQUIRE(static_cast<uint8_t>(payload[i]) == static_cast<uint8_t>(i * 7));
}

TEST_CASE("sim nic: the device says what it found of checksums", "[nic]") {
  SimNicOptions options;
  options.capabilities.tx_ip_checksum = options.capabilities.tx_l4_checksum = options.capabilities.rx_checksum = true;
  Pair pair({}, options);
  Packet* sent = segment(pair.a.pool(), 33, wire::kAck, 0);
  CHECK(pair.a.transmit(&sent, 1) == 1);
  std::vector<uint8_t> good = pair.b.take();
  const auto verdict = [](const std::vector<uint8_t>& frame) {
    return verify_checksums(frame.data(), static_cast<uint32_t>(frame.size()));
  };
  CHECK(verdict(good) == (kRxIpChecksumGood | kRxL4ChecksumGood));
  for (size_t at = 14; at < good.size(); ++at) {
    std::vector<uint8_t> bad = good;
    bad[at] ^= 0x10;
    CHECK((verdict(bad) & kRxL4ChecksumGood) == 0);
  }
}

}  // namespace
}  // namespace sluice::nic::test
