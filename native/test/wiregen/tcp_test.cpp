// TCP of the clients, seen from the wire.
#include <catch2/catch.hpp>

#include "test/wiregen/peer.hpp"

using namespace sluice;
using namespace sluice::test::clients;

namespace {

void ignore(Peer&, Peer::Flow&, const Peer::Message&) {}

}  // namespace

TEST_CASE("wiregen: a SYN without answer is sent again with back-off, then given up", "[wiregen]") {
  Rig rig("tcp timeouts=3\nopen\n");
  std::vector<uint64_t> at_ms;
  std::vector<Wire> seen;
  for (uint32_t ms = 0; ms < 40'000 && rig.running; ++ms) {
    for (const Wire& segment : rig.sent()) {
      at_ms.push_back(Rig::now_ns() / 1'000'000 - 1000);
      seen.push_back(segment);
    }
    rig.run();
  }
  REQUIRE(seen.size() == 4);
  for (const Wire& segment : seen) {
    CHECK(segment.is(wire::kSyn));
    CHECK(segment.seq == seen[0].seq);
  }
  // 1, 2 and 4 s later, to a tick of 10 ms.
  CHECK(std::abs(static_cast<int64_t>(at_ms[1] - at_ms[0]) - 1000) <= 20);
  CHECK(std::abs(static_cast<int64_t>(at_ms[2] - at_ms[1]) - 2000) <= 20);
  CHECK(std::abs(static_cast<int64_t>(at_ms[3] - at_ms[2]) - 4000) <= 20);
  CHECK(rig.failure().find("no answer") != std::string::npos);
}

TEST_CASE("wiregen: what is lost is sent again byte for byte, in segments of the peer's size", "[wiregen]") {
  Rig rig("open\nclose\n", "path=/a/long/path/that/fills/some/segments");
  Peer peer(rig, echo);
  peer.syn_options = Bytes("\x02\x04\x00\x58", 4);  // 88 bytes
  std::map<uint32_t, int> losses;
  // The first copy of every data segment is lost.
  peer.lose = [&](const Wire& segment) { return !segment.payload.empty() && losses[segment.seq]++ == 0; };
  peer.run(20'000);
  CHECK(rig.failure().empty());
  CHECK_FALSE(rig.running);
  std::map<uint32_t, Bytes> first;
  uint32_t again = 0;
  for (const Wire& segment : peer.log) {
    if (segment.payload.empty()) continue;
    CHECK(segment.payload.size() <= 88);
    const auto [place, fresh] = first.emplace(segment.seq, segment.payload);
    if (fresh) continue;
    ++again;
    CHECK(place->second.starts_with(segment.payload.substr(0, place->second.size())));
  }
  CHECK(again >= 3);
  CHECK(peer.flow().stream.starts_with("GET /a/long/path/that/fills/some/segments HTTP/1.1\r\nHost: 10.90.0.1:9000\r\n"));
  CHECK(peer.flow().ended);
}

TEST_CASE("wiregen: three duplicate acknowledgements bring the segment before the timer does", "[wiregen]") {
  Rig rig("tcp rto=5s\nopen\n");
  Peer peer(rig, ignore);
  peer.lose = [](const Wire& segment) { return !segment.payload.empty(); };
  peer.run(5);
  const size_t before = peer.log.size();
  for (int i = 0; i < 3; ++i) peer.send(peer.flow(), "", wire::kAck);
  peer.lose = nullptr;
  peer.run(5);
  REQUIRE(peer.log.size() > before);
  CHECK(peer.log[before].payload.starts_with("GET / HTTP/1.1"));
}

TEST_CASE("wiregen: what waits for its own device is not taken for lost", "[wiregen]") {
  Rig rig("tcp rto=100ms\nopen\nhold for=60s\n");
  Peer peer(rig, ignore);
  uint32_t requests = 0;
  peer.lose = [&](const Wire& segment) { return !segment.payload.empty() && ++requests != 0; };
  while (peer.log.empty()) peer.run(1);
  rig.nic.full = true;
  peer.run(3'000);
  rig.nic.full = false;
  peer.run(1);
  CHECK(requests == 1);
  // From then on it is.
  peer.run(200);
  CHECK(requests >= 2);
  CHECK(requests <= 3);
  CHECK(rig.failure().empty());
}

TEST_CASE("wiregen: only a reset with the next number ends a connection", "[wiregen]") {
  Rig rig("open\nhold for=60s\n");
  Peer peer(rig, ignore);
  peer.run(5);
  peer.log.clear();
  Wire reset = peer.flow().address;
  reset.flags = wire::kRst;
  reset.seq = peer.flow().snd_nxt + 100;
  rig.give(reset);
  Wire syn = reset;
  syn.flags = wire::kSyn;
  rig.give(syn);
  reset.seq = peer.flow().snd_nxt - 100000;
  rig.give(reset);
  peer.run(3);
  CHECK(rig.running);
  // RFC 5961 3.2 and 4.2: challenged by one acknowledgement; the one outside of the window by none.
  REQUIRE(peer.log.size() == 1);
  CHECK(peer.log[0].is(wire::kAck));
  CHECK(peer.log[0].ack == peer.flow().snd_nxt);
  reset.seq = peer.flow().snd_nxt;
  rig.give(reset);
  peer.run(2);
  CHECK_FALSE(rig.running);
  CHECK(rig.failure().find("client 0 was lost: reset by the server") != std::string::npos);
}

TEST_CASE("wiregen: a closed window is probed, and what waited goes when it opens", "[wiregen]") {
  Rig rig("open\necho size=300 for=1s warmup=0\n");
  Peer peer(rig, echo);
  bool closed = false;
  peer.run(4);
  Peer::Flow& flow = peer.flow();
  flow.answers = false;
  flow.window = 0;
  peer.run(1);
  const size_t had = flow.stream.size();
  peer.send(flow, "", wire::kAck);
  peer.log.clear();
  peer.run(2000);
  closed = flow.stream.size() <= had + 300 + 8 + 1;
  CHECK(closed);
  CHECK(rig.running);
  flow.answers = true;
  flow.window = 65535;
  peer.send(flow, "", wire::kAck);
  peer.run(4000);
  CHECK(rig.failure().empty());
}

TEST_CASE("wiregen: what comes out of order is dropped and asked for again", "[wiregen]") {
  Rig rig("open\nhold for=60s\n");
  Peer peer(rig, ignore);
  peer.run(5);
  peer.log.clear();
  Peer::Flow& flow = peer.flow();
  const Bytes ping = Peer::frame(9, "abc");
  const uint32_t at = flow.snd_nxt;
  flow.snd_nxt += 5;
  peer.send(flow, "later");
  peer.run(1);
  REQUIRE(peer.log.size() == 1);
  CHECK(peer.log[0].ack == at);
  flow.snd_nxt = at;
  peer.send(flow, ping);
  peer.run(2);
  CHECK(peer.log.back().has(wire::kAck));
  CHECK(peer.log.back().ack == at + ping.size());
}

TEST_CASE("wiregen: the end is in order, and a FIN that comes again is acknowledged again", "[wiregen]") {
  Rig rig("open\nclose\nhold for=60s\n");
  Peer peer(rig, echo);
  peer.run(20);
  CHECK(rig.failure().empty());
  CHECK(peer.flow().ended);
  peer.log.clear();
  Peer::Flow& flow = peer.flow();
  --flow.snd_nxt;
  peer.send(flow, "", wire::kFin | wire::kAck);
  peer.run(2);
  REQUIRE(peer.log.size() == 1);
  CHECK(peer.log[0].is(wire::kAck));
  CHECK(peer.log[0].ack == flow.snd_nxt);
}

TEST_CASE("wiregen: a segment for nobody is answered by a reset", "[wiregen]") {
  Rig rig("open\nhold for=60s\n");
  Peer peer(rig, ignore);
  peer.run(5);
  rig.sent();
  Wire stray = peer.flow().address;
  stray.port = static_cast<uint16_t>(stray.port + 1);
  stray.flags = wire::kAck;
  stray.seq = 5;
  stray.ack = 77;
  rig.give(stray);
  rig.run();
  const auto sent = rig.sent();
  REQUIRE(sent.size() == 1);
  CHECK(sent[0].is(wire::kRst));
  CHECK(sent[0].seq == 77);
}

TEST_CASE("wiregen: a segment with a wrong checksum is as if it had never come", "[wiregen]") {
  Rig rig("open\nhold for=60s\n");
  Peer peer(rig, ignore);
  peer.run(5);
  Wire reset = peer.flow().address;
  reset.flags = wire::kRst;
  reset.seq = peer.flow().snd_nxt;
  Bytes frame = encode(reset);
  frame[14 + 20 + 14] = static_cast<char>(frame[14 + 20 + 14] ^ 1);
  rig.nic.incoming.push_back(frame);
  peer.run(2);
  CHECK(rig.running);
}

TEST_CASE("wiregen: ARP is answered for every client's address", "[wiregen]") {
  Rig rig("open\n", "", "count=100 hosts=10");
  const uint8_t server_mac[6] = {2, 0, 0, 0, 0, 9};
  const uint8_t server_ip[4] = {10, 90, 0, 1};
  const uint8_t unknown[6] = {};
  for (uint8_t last = 1; last < 14; ++last) {
    rig.nic.outgoing.clear();
    const uint8_t target[4] = {10, 91, 0, last};
    Bytes frame(42, '\0');
    auto* at = reinterpret_cast<uint8_t*>(frame.data());
    wire::EthernetView::write(at, unknown, server_mac, wire::kTypeArp, 0);
    wire::ArpView::write(at + 14, wire::ArpView::kRequest, server_mac, server_ip, unknown, target);
    rig.nic.incoming.push_back(frame);
    rig.run();
    bool answered = false;
    for (const Bytes& sent : rig.nic.outgoing) {
      const auto* bytes = reinterpret_cast<const uint8_t*>(sent.data());
      if (load_be16(bytes + 12) != wire::kTypeArp) continue;
      const auto arp = wire::ArpView::parse(bytes + 14, static_cast<uint32_t>(sent.size() - 14));
      answered = arp && arp->operation() == wire::ArpView::kReply && std::memcmp(arp->sender_ip(), target, 4) == 0;
    }
    // 1 is the generator's own, 2 to 11 are the hosts.
    CHECK(answered == (last <= 11));
  }
}

TEST_CASE("wiregen: a full device is offered little again and again, and gets all in its order", "[wiregen]") {
  MemoryNic nic;
  wiregen::Settings settings;
  wiregen::SegmentWriter out(nic, settings);
  const auto queue = [&](uint32_t count) {
    for (uint32_t i = 0; i < count; ++i) {
      const wiregen::SegmentWriter::Segment segment{.source_address = 1, .source_port = 2, .window = 3, .seq = i, .ack = 0,
                                                    .flags = wire::kAck, .timestamps = false, .stamp = 0, .stamp_echo = 0};
      out.send(out.begin(0), segment, 0);
    }
  };
  nic.full = true;
  queue(1000);
  // Each frame is prepared for the device as it is offered.
  CHECK(nic.offered <= 200);
  nic.full = false;
  nic.room = 10;
  for (uint32_t flushes = 0; out.waiting() > 0; ++flushes) {
    REQUIRE(flushes < 1000);
    out.flush();
  }
  REQUIRE(nic.outgoing.size() == 1000);
  for (uint32_t i = 0; i < 1000; ++i) CHECK(load_be32(reinterpret_cast<const uint8_t*>(nic.outgoing[i].data()) + 14 + 20 + 4) == i);
}
