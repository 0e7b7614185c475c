// WebSocket and gateway protocol of the clients, and what they check.
#include <catch2/catch.hpp>

#include "test/wiregen/peer.hpp"

using namespace sluice;
using namespace sluice::test::clients;

namespace {

void ignore(Peer&, Peer::Flow&, const Peer::Message&) {}

Bytes with(Bytes text, const Bytes& what, const Bytes& instead) {
  const size_t at = text.find(what);
  return text.replace(at, what.size(), instead);
}

std::string opening_with(std::function<Bytes(const Bytes&)> respond) {
  Rig rig("open\nhold for=10ms\n");
  Peer peer(rig, ignore);
  peer.respond = std::move(respond);
  peer.run(50);
  return rig.failure();
}

}  // namespace

TEST_CASE("wiregen: an upgrade that is not right ends the run", "[wiregen]") {
  CHECK(opening_with([](const Bytes& r) { return Peer::response(r); }).empty());
  CHECK(opening_with([](const Bytes& r) { return with(Peer::response(r), "websocket", "WebSocket"); }).empty());
  CHECK(opening_with([](const Bytes&) { return Bytes("HTTP/1.1 503 Busy\r\n\r\n"); }).find("status 503") != std::string::npos);
  const Bytes other = "GET / HTTP/1.1\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n";
  CHECK(opening_with([&](const Bytes&) { return Peer::response(other); }).find("does not answer the key") != std::string::npos);
  CHECK_FALSE(opening_with([](const Bytes& r) { return with(Peer::response(r), "Connection: Upgrade", "Connection: close"); }).empty());
  CHECK_FALSE(opening_with([](const Bytes& r) { return Peer::response(r, "chat"); }).empty());
  CHECK_FALSE(opening_with([](const Bytes& r) {
                return with(Peer::response(r), "\r\n\r\n", "\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n");
              }).empty());
}

TEST_CASE("wiregen: every client has a key of its own", "[wiregen]") {
  Rig rig("open\nhold for=5ms\n", "", "count=50");
  Peer peer(rig, ignore);
  std::map<Bytes, int> keys;
  peer.respond = [&](const Bytes& request) {
    ++keys[request.substr(request.find("Sec-WebSocket-Key: ") + 19, 24)];
    return Peer::response(request);
  };
  peer.run(50);
  CHECK(rig.failure().empty());
  CHECK(keys.size() == 50);
}

TEST_CASE("wiregen: an answer that comes byte by byte is the same answer", "[wiregen]") {
  Rig rig("open\necho size=200 depth=3 for=20ms warmup=0\nclose\n");
  Peer peer(rig, [](Peer& peer, Peer::Flow& flow, const Peer::Message& message) {
    for (const char c : Peer::frame(message.opcode, message.payload)) peer.send(flow, Bytes(1, c));
    if (message.opcode == 8) peer.send(flow, "", wire::kFin | wire::kAck);
  });
  peer.run(500);
  CHECK(rig.failure().empty());
  CHECK_FALSE(rig.running);
}

TEST_CASE("wiregen: a fragmented echo is put together", "[wiregen]") {
  Rig rig("open\necho size=90 for=10ms warmup=0\nclose\n");
  Peer peer(rig, [](Peer& peer, Peer::Flow& flow, const Peer::Message& message) {
    if (message.opcode == 8) return echo(peer, flow, message);
    if (message.opcode > 8) return;
    Bytes first = Peer::frame(message.opcode, message.payload.substr(0, 40));
    first[0] = static_cast<char>(first[0] & 0x7f);
    peer.send(flow, first + Peer::frame(9, "between") + Peer::frame(0, message.payload.substr(40)));
  });
  peer.run(300);
  CHECK(rig.failure().empty());
  CHECK_FALSE(rig.running);
}

TEST_CASE("wiregen: an echo that is not what was sent ends the run", "[wiregen]") {
  const auto failure_of = [](std::function<void(Peer&, Peer::Flow&, const Peer::Message&)> server) {
    Rig rig("open\necho size=64 depth=2 for=50ms warmup=0\nclose\n", "", "count=2");
    Peer peer(rig, std::move(server));
    peer.run(300);
    return rig.failure();
  };
  CHECK(failure_of(echo).empty());
  // A bit, another order, another kind, twice, another client's.
  CHECK_FALSE(failure_of([](Peer& peer, Peer::Flow& flow, const Peer::Message& message) {
                Bytes payload = message.payload;
                payload[50] = static_cast<char>(payload[50] ^ 1);
                peer.send_frame(flow, message.opcode, payload);
              }).empty());
  CHECK_FALSE(failure_of([held = Bytes()](Peer& peer, Peer::Flow& flow, const Peer::Message& message) mutable {
                if (held.empty()) {
                  held = message.payload;
                  return;
                }
                peer.send_frame(flow, message.opcode, message.payload);
                peer.send_frame(flow, message.opcode, held);
              }).empty());
  CHECK_FALSE(failure_of([](Peer& peer, Peer::Flow& flow, const Peer::Message& message) {
                peer.send_frame(flow, 1, message.payload);
              }).empty());
  CHECK_FALSE(failure_of([](Peer& peer, Peer::Flow& flow, const Peer::Message& message) {
                peer.send_frame(flow, message.opcode, message.payload);
                peer.send_frame(flow, message.opcode, message.payload);
              }).empty());
  CHECK_FALSE(failure_of([](Peer& peer, Peer::Flow&, const Peer::Message& message) {
                for (auto& [place, flow] : peer.flows) peer.send_frame(flow, message.opcode, message.payload);
              }).empty());
}

TEST_CASE("wiregen: frames that a server may not send end the run", "[wiregen]") {
  const auto failure_of = [](const Bytes& frame) {
    Rig rig("open\nhold for=20ms\n");
    Peer peer(rig, ignore);
    peer.run(5);
    peer.send(peer.flow(), frame);
    peer.run(50);
    return rig.failure();
  };
  CHECK(failure_of(Peer::frame(9, "")).empty());
  CHECK(failure_of(Bytes("\x81\x81", 2) + "abcdx").find("masked") != std::string::npos);
  CHECK_FALSE(failure_of(Bytes("\xc1\x01x", 3)).empty());
  CHECK_FALSE(failure_of(Bytes("\x83\x01x", 3)).empty());
  CHECK_FALSE(failure_of(Bytes("\x09\x01x", 3)).empty());
  CHECK_FALSE(failure_of(Bytes("\x81\x7e\x00\x05hello", 9)).empty());
  CHECK_FALSE(failure_of(Bytes("\x80\x01x", 3)).empty());
  CHECK_FALSE(failure_of(Bytes("\x81\x01x", 3)).empty());
}

TEST_CASE("wiregen: a ping comes back with its payload, also after a loss", "[wiregen]") {
  Rig rig("open\nhold for=10s\n");
  std::vector<Peer::Message> got;
  Peer peer(rig, [&](Peer&, Peer::Flow&, const Peer::Message& message) { got.push_back(message); });
  peer.run(5);
  int losses = 0;
  peer.lose = [&](const Wire& segment) { return !segment.payload.empty() && losses++ < 2; };
  peer.send(peer.flow(), Peer::frame(9, "first") + Peer::frame(9, "") + Peer::frame(9, "second"));
  peer.run(3000);
  REQUIRE(got.size() == 3);
  CHECK(got[0].opcode == 10);
  CHECK(got[0].payload == "first");
  CHECK(got[1].payload.empty());
  CHECK(got[2].payload == "second");
}

TEST_CASE("wiregen: latency counts from when a message was due", "[wiregen]") {
  Rig rig("open\necho size=32 rate=1000 for=1s warmup=0\n");
  std::vector<Peer::Message> held;
  Peer peer(rig, [&](Peer& peer, Peer::Flow& flow, const Peer::Message& message) {
    const uint64_t ms = Rig::now_ns() / 1'000'000;
    held.push_back(message);
    // A stall of 200 ms: everything in it is answered at its end.
    if (ms >= 1300 && ms < 1500) return;
    for (const auto& one : held) peer.send_frame(flow, one.opcode, one.payload);
    held.clear();
  });
  peer.run(1500);
  CHECK(rig.failure().empty());
  const auto results = rig.generator->conductor().take_results();
  REQUIRE(results.size() == 2);
  const auto number = [&](const std::string& name) {
    return std::stod(results[1].substr(results[1].find('"' + name + "\":") + name.size() + 3));
  };
  CHECK(number("max_us") > 190'000);
  // A fifth of all messages waited, on average half of it: without the stall's messages this would be 2 ms.
  CHECK(number("p90_us") > 90'000);
  CHECK(number("p50_us") < 10'000);
  CHECK(number("count") > 990);
}
