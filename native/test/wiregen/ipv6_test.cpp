// Clients over IPv6: addresses, neighbour discovery, headers.
#include <catch2/catch.hpp>

#include "test/wiregen/rig.hpp"
#include "wire/icmp.hpp"
#include "wire/icmpv6.hpp"
#include "wire/ipv6.hpp"

using namespace sluice;
using namespace sluice::test::clients;

namespace {

constexpr uint8_t kServerMac[6] = {2, 0, 0, 0, 0, 9};

struct Ipv6 {
  uint8_t bytes[16];
  explicit Ipv6(uint32_t group, uint32_t low) : bytes{0xfd} {
    store_be16(bytes + 2, static_cast<uint16_t>(group));
    store_be32(bytes + 12, low);
  }
};

const Ipv6 kServer(0x90, 1);
const Ipv6 kLocal(0x90, 2);

// A generator with one client, fd00:91::2, whose server is fd00:90::1.
struct World {
  explicit World(const std::string& server = "") {
    Rig::now_ns() = 1'000'000'000;
    const std::string text = "server address=[fd00:90::1]:9000 " + server +
                             "\nclients count=1 network=fd00:91::/112 local=fd00:90::2 hosts=10\nopen\n";
    scenario.settings.seed = 7;
    mistake = wiregen::read_scenario(text, scenario);
    if (!mistake.empty()) return;
    generator = std::make_unique<wiregen::Generator>(nic, scenario, &Rig::clock, std::vector<int>{});
    generator->start(mistake);
    run();
  }
  void run() {
    for (int i = 0; i < 3; ++i) {
      Rig::now_ns() += 1'000'000;
      generator->turn();
    }
  }
  Bytes next() {
    REQUIRE_FALSE(nic.outgoing.empty());
    Bytes frame = nic.outgoing.front();
    nic.outgoing.pop_front();
    return frame;
  }
  void give(uint8_t type, const Ipv6& subject, const uint8_t* source, const uint8_t* target, uint8_t hops = 255) {
    constexpr uint16_t kBytes = wire::NeighborView::kBytesWithMac;
    Bytes frame(14 + 40 + kBytes, '\0');
    auto* at = reinterpret_cast<uint8_t*>(frame.data());
    wire::EthernetView::write(at, kServerMac, kServerMac, wire::kTypeIpv6, 0);
    wire::Ipv6View::write(at + 14, {.payload_bytes = kBytes, .next_header = wire::kProtocolIcmpv6, .hop_limit = hops,
                                    .source = source, .target = target});
    const bool asks = type == wire::icmpv6::kNeighborSolicitation;
    wire::NeighborView::write_body(at + 54, subject.bytes, asks ? 1 : 2, kServerMac);
    wire::Checksum sum;
    wire::add_pseudo_header_v6(sum, source, target, wire::kProtocolIcmpv6, kBytes);
    wire::IcmpView::write(at + 54, kBytes, type, 0, 0, sum);
    nic.incoming.push_back(frame);
    run();
  }

  MemoryNic nic;
  wiregen::Scenario scenario;
  std::string mistake;
  std::unique_ptr<wiregen::Generator> generator;
};

// An IPv6 packet of the generator's with its upper checksum verified.
std::optional<wire::Ipv6View> packet_of(Bytes& frame) {
  auto* data = reinterpret_cast<uint8_t*>(frame.data());
  const auto ip = wire::Ipv6View::parse(data + 14, static_cast<uint32_t>(frame.size() - 14));
  if (!ip || load_be16(data + 12) != wire::kTypeIpv6) return std::nullopt;
  wire::Checksum sum;
  wire::add_pseudo_header_v6(sum, ip->source(), ip->target(), ip->next_header(), ip->payload_bytes());
  sum.add(ip->payload(), ip->payload_bytes());
  return sum.good() ? ip : std::nullopt;
}

bool same(const uint8_t* a, const Ipv6& b) { return std::memcmp(a, b.bytes, 16) == 0; }

}  // namespace

TEST_CASE("wiregen: over IPv6 the server's MAC is asked for, and then a client opens", "[wiregen]") {
  World world;
  REQUIRE(world.mistake == "");
  Bytes question = world.next();
  const auto asked = packet_of(question);
  REQUIRE(asked);
  CHECK(asked->payload()[0] == wire::icmpv6::kNeighborSolicitation);
  CHECK(asked->hop_limit() == 255);
  CHECK(same(asked->source(), kLocal));
  // The group of the server's last three bytes, by its group MAC.
  CHECK(asked->target()[0] == 0xff);
  CHECK(load_be32(asked->target() + 12) == 0xff000001);
  CHECK(question.substr(0, 6) == Bytes("\x33\x33\xff\x00\x00\x01", 6));
  CHECK(world.nic.outgoing.empty());

  world.give(wire::icmpv6::kNeighborAdvertisement, kServer, kServer.bytes, kLocal.bytes);
  Bytes syn = world.next();
  CHECK(std::memcmp(syn.data(), kServerMac, 6) == 0);
  const auto ip = packet_of(syn);
  REQUIRE(ip);
  CHECK(same(ip->source(), Ipv6(0x91, 2)));
  CHECK(same(ip->target(), kServer));
  const auto tcp = wire::TcpView::parse(ip->payload(), ip->payload_bytes());
  REQUIRE(tcp);
  CHECK(tcp->flags() == wire::kSyn);
  wire::TcpOptions options;
  wire::parse_tcp_options(tcp->options(), tcp->options_bytes(), options);
  CHECK(options.mss == 1440);
}

TEST_CASE("wiregen: neighbour solicitations for clients are answered, others are not", "[wiregen]") {
  World world("mac=02:00:00:00:00:09");
  REQUIRE(world.mistake == "");
  world.nic.outgoing.clear();
  const auto ask = [&](const Ipv6& subject, uint8_t hops = 255) {
    world.give(wire::icmpv6::kNeighborSolicitation, subject, kServer.bytes, subject.bytes, hops);
  };
  ask(Ipv6(0x91, 11));
  Bytes answer = world.next();
  const auto ip = packet_of(answer);
  REQUIRE(ip);
  CHECK(same(ip->target(), kServer));
  const auto view = wire::NeighborView::parse(ip->payload(), ip->payload_bytes());
  REQUIRE(view);
  CHECK(ip->payload()[0] == wire::icmpv6::kNeighborAdvertisement);
  CHECK(same(view->target(), Ipv6(0x91, 11)));
  CHECK(view->flags() == (wire::NeighborView::kFlagSolicited | wire::NeighborView::kFlagOverride));
  REQUIRE(view->mac(wire::NeighborView::kOptionTargetMac) != nullptr);
  CHECK(std::memcmp(view->mac(wire::NeighborView::kOptionTargetMac), world.nic.capabilities().mac.bytes, 6) == 0);
  ask(kLocal);
  CHECK(packet_of(world.nic.outgoing.front()));
  world.nic.outgoing.clear();
  // Hosts that are nobody's, the same number behind another prefix, and what a router passed on.
  ask(Ipv6(0x91, 12));
  ask(Ipv6(0x90, 11));
  ask(Ipv6(0x91, 11), 254);
  CHECK(world.nic.outgoing.empty());
}

TEST_CASE("wiregen: addresses that do not fit together are named", "[wiregen]") {
  const auto [server, network, says] = GENERATE(
      std::tuple{"fd00::1:9000", "fd00:91::/96", "[IPv6]:PORT"}, std::tuple{"[10.90.0.1]:9000", "10.91.0.0/16", "[IPv6]:PORT"},
      std::tuple{"[fd00::1]:9000", "10.91.0.0/16", "all IPv4 or all IPv6"},
      std::tuple{"10.90.0.1:9000", "fd00::/96", "all IPv4 or all IPv6"},
      std::tuple{"[fd00::1]:9000", "fd00:91::/64", "96 to 126"}, std::tuple{"[fd00::5]:9000", "fd00::/112", "one of the clients'"});
  wiregen::Scenario scenario;
  const std::string text = std::string("server address=") + server + "\nclients count=1 network=" + network + "\nopen\n";
  CHECK(wiregen::read_scenario(text, scenario).find(says) != std::string::npos);
}
