// sluice.v1 as the clients speak it.
#include <catch2/catch.hpp>

#include "test/wiregen/peer.hpp"

using namespace sluice;
using namespace sluice::test::clients;

namespace {

constexpr char kServer[] = "path=/v1 protocol=sluice.v1";

bool says(const Peer::Message& message, const char* op) { return message.payload.starts_with("{\"op\":\"" + std::string(op) + '"'); }

// The least of a gateway: one channel sequence, everybody subscribed.
struct Gateway {
  uint64_t seq = 40;
  std::vector<Bytes> heard;
  std::vector<Peer::Flow*> subscribers;
  uint32_t closes = 0;
  uint64_t skip = 0;  // leaves a gap in front of the next delivery

  void operator()(Peer& peer, Peer::Flow& flow, const Peer::Message& message) {
    if (message.opcode == 8) {
      ++closes;
      return echo(peer, flow, message);
    }
    heard.push_back(message.payload);
    if (says(message, "hello")) {
      const bool resume = message.payload.find("\"resume\"") != Bytes::npos;
      const std::string token = "t" + std::to_string(heard.size());
      const Bytes welcome = R"({"op":"welcome","session":"s","resume":")" + token + R"(","resumed":)";
      return peer.send_frame(flow, 1, welcome + (resume ? "true}" : "false}"));
    }
    if (says(message, "sub")) {
      subscribers.push_back(&flow);
      return peer.send_frame(flow, 1, R"({"op":"ok","id":1,"server_seq":)" + std::to_string(seq) + R"(,"epoch":"k3f"})");
    }
    if (says(message, "pub")) publish(peer, flow, message.payload);
  }

  void publish(Peer& peer, Peer::Flow& flow, const Bytes& text) {
    seq += 1 + skip;
    const Bytes id = text.substr(text.find("\"id\":") + 5, 10);
    peer.send_frame(flow, 1, R"({"op":"ok","id":)" + id + R"(,"msg_id":"9","server_seq":)" + std::to_string(seq) + "}");
    const Bytes header = R"({"op":"msg","channel":"bench-00000000","id":"9","server_seq":)" + std::to_string(seq) + R"(,"from":"x"})";
    for (Peer::Flow* to : subscribers) peer.send_frame(*to, 2, header + text.substr(text.find('\n')));
  }
};

Peer gateway_peer(Rig& rig, Gateway& gateway) {
  Peer peer(rig, [&](Peer& peer, Peer::Flow& flow, const Peer::Message& message) { gateway(peer, flow, message); });
  peer.respond = [](const Bytes& request) { return Peer::response(request, "sluice.v1"); };
  return peer;
}

}  // namespace

TEST_CASE("wiregen: hello, sub, publishes; each delivery is counted and checked", "[wiregen]") {
  Gateway gateway;
  Rig rig("open\npublish size=100 rate=100 for=100ms warmup=0 senders=1\nclose\n", kServer, "count=3");
  Peer peer = gateway_peer(rig, gateway);
  peer.run(400);
  CHECK(rig.failure().empty());
  CHECK_FALSE(rig.running);
  CHECK(gateway.subscribers.size() == 3);
  CHECK(gateway.seq == 50);
  const auto results = rig.generator->conductor().take_results();
  REQUIRE(results.size() == 3);
  CHECK(results[1].find("\"published\":10,\"deliveries\":30") != std::string::npos);
}

TEST_CASE("wiregen: a gap, a changed body or a doubled delivery ends the run", "[wiregen]") {
  const auto failure_of = [](std::function<void(Gateway&, Bytes&)> spoil) {
    Gateway gateway;
    Rig rig("open\npublish size=100 rate=100 for=100ms warmup=0 senders=1\nclose\n", kServer, "count=2");
    Peer peer(rig, [&](Peer& peer, Peer::Flow& flow, const Peer::Message& message) {
      Peer::Message changed = message;
      if (says(message, "pub")) spoil(gateway, changed.payload);
      gateway(peer, flow, changed);
    });
    peer.respond = [](const Bytes& request) { return Peer::response(request, "sluice.v1"); };
    peer.run(400);
    return rig.failure();
  };
  CHECK(failure_of([](Gateway&, Bytes&) {}).empty());
  CHECK(failure_of([](Gateway& gateway, Bytes&) { gateway.skip = gateway.seq == 44; }).find("came after") != std::string::npos);
  CHECK(failure_of([](Gateway&, Bytes& text) { text.back() ^= 1; }).find("was changed") != std::string::npos);
  CHECK_FALSE(failure_of([](Gateway& gateway, Bytes&) {
                if (gateway.seq == 45) gateway.subscribers.push_back(gateway.subscribers[0]);
              }).empty());
}

TEST_CASE("wiregen: a heartbeat is answered by one", "[wiregen]") {
  Gateway gateway;
  Rig rig("open\nhold for=1s\n", kServer);
  Peer peer = gateway_peer(rig, gateway);
  peer.run(20);
  peer.send_frame(peer.flow(), 1, R"({"op":"hb"})");
  peer.run(5);
  CHECK(gateway.heard.back() == R"({"op":"hb"})");
}

TEST_CASE("wiregen: who drops comes back with its token and from where it was", "[wiregen]") {
  Gateway gateway;
  Rig rig("open\nstorm share=50%\nhold for=10ms\n", kServer, "count=4");
  Peer peer = gateway_peer(rig, gateway);
  peer.run(300);
  CHECK(rig.failure().empty());
  uint32_t resumed = 0;
  for (size_t i = 0; i < gateway.heard.size(); ++i) {
    if (gateway.heard[i].find(R"("op":"hello","resume":"t)") != Bytes::npos) ++resumed;
  }
  CHECK(resumed == 2);
  CHECK(gateway.heard.back().find(R"("since":{"seq":40,"epoch":"k3f"})") != Bytes::npos);
  CHECK(rig.generator->stage().session.ready() == 4);
}

TEST_CASE("wiregen: drain waits for every close and takes no other code", "[wiregen]") {
  for (const bool orderly : {true, false}) {
    Gateway gateway;
    Rig rig("open\ndrain for=1s\n", kServer, "count=2");
    Peer peer = gateway_peer(rig, gateway);
    peer.run(20);
    for (auto& [place, flow] : peer.flows) {
      peer.send_frame(flow, 1, R"({"op":"drain","deadline_ms":100})");
      peer.send_frame(flow, 8, orderly ? Bytes("\x03\xf4", 2) : Bytes("\x03\xf3", 2));
      peer.send(flow, "", wire::kFin | wire::kAck);
    }
    peer.run(100);
    CHECK(rig.failure().empty() == orderly);
    CHECK_FALSE(rig.running);
  }
}

TEST_CASE("wiregen: who obeys a drain closes when it was told to go", "[wiregen]") {
  Gateway gateway;
  Rig rig("open\ndrain for=10s obey=100%\n", kServer, "count=1");
  Peer peer = gateway_peer(rig, gateway);
  peer.run(20);
  auto& [place, flow] = *peer.flows.begin();
  peer.send_frame(flow, 1, R"({"op":"drain","deadline_ms":8000,"reconnect_in_ms":400})");
  peer.run(200);
  CHECK(gateway.closes == 0);
  peer.run(400);
  CHECK(gateway.closes == 1);
}
