#include <catch2/catch.hpp>

#include "nic/exception_nic.hpp"
#include "test/net/net_fixture.hpp"

using namespace sluice;
using namespace sluice::test;

namespace {

constexpr uint8_t kAll = 7;
constexpr uint8_t kUdp = 17;

// TCP that leaves every segment to whom it is for.
class Leaving final : public net::SegmentHandler {
 public:
  Leaving(net::Interface& interface, nic::PacketPool& pool) : interface_(interface), pool_(pool) {}
  uint32_t kept = 0;
  std::vector<net::IcmpError::Kind> errors;

  void on_segments(const net::Segment* list, uint32_t count) override {
    for (uint32_t i = 0; i < count; ++i) {
      if (interface_.divert(list[i])) continue;
      ++kept;
      pool_.unref_frame(list[i].packet);
    }
  }
  void on_icmp_error(const net::IcmpError& error) override { errors.push_back(error.kind); }

 private:
  net::Interface& interface_;
  nic::PacketPool& pool_;
};

struct Fixture {
  explicit Fixture(uint8_t kinds = kAll, uint16_t vlan = 0) : interface(exception, options(kinds, vlan)), tcp(interface, device.pool()) {
    interface.attach(tcp);
    interface.start(now);
    device.sent.clear();
  }

  net::InterfaceOptions options(uint8_t kinds, uint16_t vlan) {
    net::InterfaceOptions options = NetFixture::defaults();
    options.kernel = &exception;
    options.kernel_kinds = kinds;
    options.vlan = vlan;
    return options;
  }
  void receive(const Bytes& frame) {
    device.put(frame);
    turn();
    turn();
  }
  void turn() {
    interface.receive(now, 64);
    interface.flush();
  }
  // The kernel got this frame and nothing else; what we sent meanwhile is in device.sent.
  bool kernel_got(const Bytes& frame) {
    const bool same = kernel.sent == std::vector<Bytes>{frame};
    kernel.sent.clear();
    return same && device.heap().free_count() == device.heap().total_count();
  }
  bool kernel_got_nothing() const { return kernel.sent.empty(); }

  FakeNic device;
  FakeNic kernel{&device.heap()};
  nic::ExceptionNic exception{device, kernel};
  uint64_t now = 1'000'000;
  net::Interface interface;
  Leaving tcp;
};

const net::IpAddress kPeer = v4(10, 9, 0, 2);
const net::IpAddress kOwn = v4(10, 9, 0, 1);
const net::IpAddress kKernels = v4(10, 9, 0, 3);
const uint8_t kBroadcast[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

Bytes arp(uint16_t operation, const net::IpAddress& sender, const net::IpAddress& target, const uint8_t* to) {
  Bytes body(28);
  wire::ArpView::write(body.data(), operation, kPeerMac, sender.v4(), kOwnMac, target.v4());
  return ethernet(to, wire::kTypeArp, body);
}

Bytes udp(const net::IpAddress& to) { return ethernet(kOwnMac, wire::kTypeIpv4, ipv4(kPeer, to, kUdp, Bytes(20, 1))); }

Bytes icmp(uint8_t type, const Bytes& body) {
  Bytes message(8);
  message.insert(message.end(), body.begin(), body.end());
  wire::IcmpView::write(message.data(), static_cast<uint32_t>(message.size()), type, 0, 0);
  return ethernet(kOwnMac, wire::kTypeIpv4, ipv4(kPeer, kOwn, wire::kProtocolIcmp, message));
}

Bytes neighbor(uint8_t type, const net::IpAddress& subject) {
  Bytes message(32);
  wire::NeighborView::write_body(message.data(), subject.bytes, wire::NeighborView::kOptionSourceMac, kPeerMac);
  wire::Checksum sum;
  wire::add_pseudo_header_v6(sum, v6(2).bytes, v6(1).bytes, wire::kProtocolIcmpv6, 32);
  wire::IcmpView::write(message.data(), 32, type, 0, 0, sum);
  return ethernet(kOwnMac, wire::kTypeIpv6, ipv6(v6(2), v6(1), wire::kProtocolIcmpv6, message, 255));
}

}  // namespace

TEST_CASE("frames for other addresses are the kernel's", "[net]") {
  Fixture fixture;
  fixture.receive(udp(kKernels));
  REQUIRE(fixture.kernel_got(udp(kKernels)));
  const Bytes tcp = ethernet(kOwnMac, wire::kTypeIpv4, ipv4(kPeer, kKernels, 6, tcp_segment(kPeer, kKernels, {1})));
  fixture.receive(tcp);
  REQUIRE(fixture.kernel_got(tcp));
  const Bytes six = ethernet(kOwnMac, wire::kTypeIpv6, ipv6(v6(2), v6(3), kUdp, Bytes(20, 1)));
  fixture.receive(six);
  REQUIRE(fixture.kernel_got(six));
  const Bytes broadcast = ethernet(kBroadcast, wire::kTypeIpv4, ipv4(kPeer, v4(255, 255, 255, 255), kUdp, Bytes(20, 1)));
  fixture.receive(broadcast);
  REQUIRE(fixture.kernel_got(broadcast));
  REQUIRE(fixture.interface.counters().dropped() == 0);
}

TEST_CASE("a frame of another station is nobody's", "[net]") {
  Fixture fixture;
  const uint8_t other[6] = {2, 0, 0, 0, 0, 9};
  fixture.receive(ethernet(other, wire::kTypeIpv4, ipv4(kPeer, kKernels, kUdp, Bytes(20, 1))));
  REQUIRE(fixture.kernel_got_nothing());
  REQUIRE(fixture.interface.counters().dropped_not_ours == 1);
}

TEST_CASE("frames of other VLANs keep their tag on the way to the kernel", "[net]") {
  Fixture fixture(kAll, 5);
  const Bytes tagged = ethernet(kOwnMac, wire::kTypeIpv4, ipv4(kPeer, kOwn, kUdp, Bytes(20, 1)), 6);
  fixture.receive(tagged);
  REQUIRE(fixture.kernel_got(tagged));
  const Bytes ours = ethernet(kOwnMac, wire::kTypeIpv4, ipv4(kPeer, kKernels, kUdp, Bytes(20, 1)), 5);
  fixture.receive(ours);
  REQUIRE(fixture.kernel_got(ours));
}

TEST_CASE("protocols that we do not speak are the kernel's, and it answers for them", "[net]") {
  Fixture fixture;
  fixture.receive(udp(kOwn));
  REQUIRE(fixture.kernel_got(udp(kOwn)));
  const Bytes lldp = ethernet(kBroadcast, 0x88cc, Bytes(46, 0));
  fixture.receive(lldp);
  REQUIRE(fixture.kernel_got(lldp));
  // No ICMP error of ours.
  REQUIRE(fixture.device.sent.empty());
}

TEST_CASE("TCP that is not for our listener is the kernel's as it came", "[net]") {
  Fixture fixture;
  const Bytes segment = ethernet(kOwnMac, wire::kTypeIpv4, ipv4(kPeer, kOwn, 6, tcp_segment(kPeer, kOwn, {1, 2, 3})));
  fixture.receive(segment);
  REQUIRE(fixture.kernel_got(segment));
  const Bytes six = ethernet(kOwnMac, wire::kTypeIpv6, ipv6(v6(2), v6(1), 6, tcp_segment(v6(2), v6(1), Bytes(100, 7))));
  fixture.receive(six);
  REQUIRE(fixture.kernel_got(six));
  REQUIRE(fixture.tcp.kept == 0);
}

TEST_CASE("requests for our addresses are ours alone; other requests and all answers reach both", "[net]") {
  Fixture fixture;
  fixture.receive(arp(wire::ArpView::kRequest, kPeer, kOwn, kBroadcast));
  REQUIRE(fixture.kernel_got_nothing());
  REQUIRE(fixture.device.sent.size() == 1);
  fixture.device.sent.clear();
  const Bytes for_kernel = arp(wire::ArpView::kRequest, kPeer, kKernels, kBroadcast);
  fixture.receive(for_kernel);
  REQUIRE(fixture.kernel_got(for_kernel));
  REQUIRE(fixture.device.sent.empty());
  const Bytes answer = arp(wire::ArpView::kReply, kPeer, kOwn, kOwnMac);
  fixture.receive(answer);
  REQUIRE(fixture.kernel_got(answer));
  REQUIRE(fixture.interface.neighbors() == 1);
}

TEST_CASE("it is the same with neighbour discovery", "[net]") {
  Fixture fixture;
  fixture.receive(neighbor(wire::icmpv6::kNeighborSolicitation, v6(1)));
  REQUIRE(fixture.kernel_got_nothing());
  const Bytes other = neighbor(wire::icmpv6::kNeighborSolicitation, v6(3));
  fixture.receive(other);
  REQUIRE(fixture.kernel_got(other));
  const Bytes answer = neighbor(wire::icmpv6::kNeighborAdvertisement, v6(2));
  fixture.receive(answer);
  REQUIRE(fixture.kernel_got(answer));
}

TEST_CASE("we answer pings; errors about a connection go to whoever has it", "[net]") {
  Fixture fixture;
  fixture.receive(arp(wire::ArpView::kRequest, kPeer, kOwn, kBroadcast));
  fixture.device.sent.clear();
  fixture.receive(icmp(wire::icmp::kEcho, Bytes(16, 1)));
  REQUIRE(fixture.kernel_got_nothing());
  REQUIRE(fixture.device.sent.size() == 1);
  fixture.receive(icmp(wire::icmp::kEchoReply, Bytes(16, 1)));
  REQUIRE(fixture.kernel.sent.size() == 1);
  fixture.kernel.sent.clear();
  const Bytes error = icmp(wire::icmp::kUnreachable, ipv4(kOwn, kPeer, 6, tcp_segment(kOwn, kPeer, {})));
  fixture.receive(error);
  REQUIRE(fixture.kernel_got(error));
  REQUIRE(fixture.tcp.errors.size() == 1);
}

TEST_CASE("fragments of TCP are nobody's: the kernel would reset what is ours", "[net]") {
  Fixture fixture;
  Bytes packet = ipv4(kPeer, kOwn, 6, tcp_segment(kPeer, kOwn, {1}));
  packet[6] = 0x20;
  wire::store_checksum(&packet[10], 0);
  wire::Checksum sum;
  sum.add(packet.data(), 20);
  wire::store_checksum(&packet[10], sum.finish());
  fixture.receive(ethernet(kOwnMac, wire::kTypeIpv4, packet));
  REQUIRE(fixture.kernel_got_nothing());
  REQUIRE(fixture.interface.counters().dropped_fragment == 1);
}

TEST_CASE("the kernel is given only what the operator chose", "[net]") {
  const Bytes segment = ethernet(kOwnMac, wire::kTypeIpv4, ipv4(kPeer, kOwn, 6, tcp_segment(kPeer, kOwn, {1, 2, 3})));
  for (uint8_t kinds = 0; kinds <= kAll; ++kinds) {
    Fixture fixture(kinds);
    fixture.receive(udp(kKernels));
    REQUIRE(fixture.kernel.sent.size() == (kinds & 1u));
    fixture.receive(udp(kOwn));
    REQUIRE(fixture.kernel.sent.size() == (kinds & 1u) + (kinds >> 1 & 1u));
    fixture.receive(segment);
    REQUIRE(fixture.kernel.sent.size() == (kinds & 1u) + (kinds >> 1 & 1u) + (kinds >> 2));
    REQUIRE(fixture.tcp.kept == 1u - (kinds >> 2));
  }
}
