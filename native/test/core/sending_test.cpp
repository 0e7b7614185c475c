#include <random>

#include "test/support/core_fixture.hpp"

namespace sluice::test {
namespace {

using namespace ws::test;
using queue::Counter;
using Strings = std::vector<std::string>;

Strings payloads(const Peer& peer) {
  Strings out;
  for (const ServerFrame& frame : server_frames(peer->written)) {
    if (frame.opcode == 1 || frame.opcode == 2) out.push_back(frame.payload);
  }
  return out;
}

void finish(CoreFixture& fixture, const std::vector<Peer>& peers) {
  for (const Peer& peer : peers) {
    peer->paused = false;
    peer->fin = true;
  }
  fixture.turn(3);
  fixture.check_all_free();
}

TEST_CASE("core: payloads of all sizes are framed and their room is given back", "[core]") {
  for (const bool late : {false, true}) {
    CoreFixture fixture;
    fixture.driver().complete_late = late;
    const Peer peer = fixture.open();
    Strings expected;
    for (const size_t length : {0u, 1u, 125u, 126u, 2048u, 2049u, 65535u, 65536u, 5u}) {
      expected.push_back(std::string(length, static_cast<char>('a' + length % 26)));
      fixture.send(peer, expected.back());
    }
    fixture.turn();
    CHECK(payloads(peer) == expected);
    CHECK(fixture.commands().unconfirmed() == 0);
    CHECK(fixture.command_data_tail() == fixture.command_data_head());
    finish(fixture, {peer});
  }
}

TEST_CASE("core: more pieces than one write takes", "[core]") {
  CoreFixture fixture;
  const Peer peer = fixture.open();
  Strings expected;
  for (int i = 0; i < 50; ++i) {
    expected.push_back(std::to_string(i) + std::string(2100, 'p'));
    fixture.send(peer, expected.back());
  }
  fixture.turn(2);
  CHECK(payloads(peer) == expected);
  finish(fixture, {peer});
}

TEST_CASE("core: short writes are kept in order", "[core]") {
  for (uint32_t seed = 1; seed <= 6; ++seed) {
    CoreFixture fixture;
    fixture.driver().complete_late = seed % 2 == 0;
    std::mt19937 random(seed);
    std::vector<Peer> peers;
    for (int i = 0; i < 3; ++i) peers.push_back(fixture.open());
    for (const Peer& peer : peers) fixture.subscribe(peer, 1);
    fixture.turn();
    std::vector<Strings> expected(peers.size());
    for (int round = 0; round < 60; ++round) {
      for (const Peer& peer : peers) {
        peer->window = random() % 3 == 0 ? 0 : random() % 4000;
        peer->write_limit = 1 + random() % 3000;
      }
      const auto to = random() % peers.size();
      expected[to].push_back(std::to_string(round) + std::string(random() % 3500, 's'));
      fixture.send(peers[to], expected[to].back());
      if (random() % 3 == 0) {
        const std::string payload = "channel " + std::to_string(round);
        fixture.publish(1, 0, server_text(payload), static_cast<uint32_t>(round) * 64);
        for (Strings& list : expected) list.push_back(payload);
      }
      fixture.turn();
    }
    for (const Peer& peer : peers) peer->window = peer->write_limit = SIZE_MAX;
    fixture.turn(4);
    for (size_t i = 0; i < peers.size(); ++i) REQUIRE(payloads(peers[i]) == expected[i]);
    finish(fixture, peers);
  }
}

TEST_CASE("core: who does not read may not send, until it has read", "[core]") {
  core::CoreOptions options;
  options.send_budget = 10'000;
  CoreFixture fixture(options);
  const Peer peer = fixture.open();
  peer->window = 0;
  fixture.send(peer, std::string(9'000, 'a'));
  fixture.turn();
  CHECK_FALSE(peer->paused);
  fixture.send(peer, std::string(2'000, 'b'));
  fixture.turn();
  CHECK(peer->paused);
  // Both reasons must be gone before it is read from again.
  fixture.push(fixture.command(queue::kCommandPause, peer));
  fixture.turn();
  peer->window = SIZE_MAX;
  fixture.turn(2);
  CHECK(peer->paused);
  fixture.push(fixture.command(queue::kCommandResume, peer));
  fixture.turn();
  CHECK_FALSE(peer->paused);
  CHECK(payloads(peer).size() == 2);
  finish(fixture, {peer});
}

TEST_CASE("core: who never reads is given up", "[core]") {
  for (const auto protocol : {core::Protocol::kPlain, core::Protocol::kSluice}) {
    core::CoreOptions options;
    options.protocol = protocol;
    options.send_budget = 1000;
    options.max_message = 1000;
    CoreFixture fixture(options);
    const Peer peer = fixture.open();
    peer->window = 0;
    for (int i = 0; i < 40 && !peer->closed; ++i) {
      fixture.send(peer, std::string(900, 'x'));
      fixture.turn();
    }
    CHECK(peer->closed);
    CHECK(peer->reset);
    fixture.turn(2);
    const uint16_t code = protocol == core::Protocol::kPlain ? uint16_t{ws::kClosePolicy} : core::kCloseSlowConsumer;
    CHECK(fixture.close_codes() == std::vector<uint16_t>{code});
    CHECK(fixture.counter(Counter::closed_send_overflow) == 1);
    fixture.check_all_free();
  }
}

TEST_CASE("core: a subscriber over its budget is told where it lags, the others are not held up", "[core]") {
  core::CoreOptions options;
  options.send_budget = 5'000;
  CoreFixture fixture(options);
  const Peer slow = fixture.open();
  const Peer fast = fixture.open();
  fixture.subscribe(slow, 9);
  fixture.subscribe(fast, 9);
  fixture.turn();
  slow->window = 0;
  Strings expected;
  for (uint64_t seq = 1; seq <= 10; ++seq) {
    expected.push_back(std::to_string(seq) + std::string(1500, 'm'));
    fixture.publish(9, (uint64_t{3} << 32) + seq, server_text(expected.back()), static_cast<uint32_t>(seq) * 2000);
    fixture.turn();
  }
  fixture.turn();
  CHECK(payloads(fast) == expected);
  const auto lagging = fixture.events_of(queue::kEventLagging);
  REQUIRE(lagging.size() == 1);
  CHECK(lagging[0].record.slot == slow->id);
  CHECK(lagging[0].record.a == 9);
  CHECK(lagging[0].record.c == 3);
  const uint32_t next = lagging[0].record.b;
  fixture.push(fixture.command(queue::kCommandNotifyWritable, slow));
  fixture.turn(2);
  CHECK(fixture.events_of(queue::kEventWritable).empty());
  slow->window = SIZE_MAX;
  fixture.turn(3);
  CHECK(fixture.events_of(queue::kEventWritable).size() == 1);
  CHECK(payloads(slow) == Strings(expected.begin(), expected.begin() + next - 1));
  CHECK(fixture.counter(Counter::deliveries) == 10 + next - 1);
  // The row may not be used again while the channel still knows the slot.
  fixture.push(fixture.command(queue::kCommandUnsubscribe, fast, 0, 9));
  fixture.turn();
  finish(fixture, {slow, fast});
}

TEST_CASE("core: a crowd of which each is within its budget lags where all together are beyond theirs", "[core]") {
  core::CoreOptions options;
  options.send_queues_max = 20'000;
  CoreFixture fixture(options);
  std::vector<Peer> slow;
  for (int i = 0; i < 10; ++i) slow.push_back(fixture.open());
  const Peer fast = fixture.open();
  for (const Peer& peer : slow) fixture.subscribe(peer, 9);
  fixture.subscribe(fast, 9);
  fixture.turn();
  for (const Peer& peer : slow) peer->window = 0;
  Strings expected;
  for (uint64_t seq = 1; seq <= 10; ++seq) {
    expected.push_back(std::to_string(seq) + std::string(1500, 'm'));
    fixture.publish(9, seq, server_text(expected.back()), static_cast<uint32_t>(seq) * 2000);
    fixture.turn();
  }
  fixture.turn();
  CHECK(payloads(fast) == expected);
  CHECK(fixture.events_of(queue::kEventLagging).size() == slow.size());
  for (const Peer& peer : slow) peer->window = SIZE_MAX;
  fixture.turn(3);
  for (const Peer& peer : slow) {
    const Strings got = payloads(peer);
    REQUIRE(got.size() < 4);
    CHECK(got == Strings(expected.begin(), expected.begin() + static_cast<std::ptrdiff_t>(got.size())));
  }
  fixture.push(fixture.command(queue::kCommandUnsubscribe, fast, 0, 9));
  fixture.turn();
  slow.push_back(fast);
  finish(fixture, slow);
}

TEST_CASE("core: a replayed publish is delivered once and counted", "[core]") {
  CoreFixture fixture;
  const Peer peer = fixture.open();
  fixture.subscribe(peer, 1);
  fixture.publish(1, 1, server_text("one"), 0);
  fixture.publish(1, 2, server_text("two"), 100);
  fixture.publish(1, 1, server_text("one"), 0);
  fixture.publish(1, 2, server_text("two"), 100);
  fixture.publish(1, 3, server_text("three"), 200);
  fixture.turn();
  CHECK(payloads(peer) == Strings{"one", "two", "three"});
  CHECK(fixture.counter(Counter::publishes_replayed) == 2);
  fixture.push(fixture.command(queue::kCommandUnsubscribe, peer, 0, 1));
  finish(fixture, {peer});
}

TEST_CASE("core: writable is told at once when nothing waits", "[core]") {
  CoreFixture fixture;
  const Peer peer = fixture.open();
  fixture.push(fixture.command(queue::kCommandNotifyWritable, peer));
  fixture.turn(3);
  CHECK(fixture.events_of(queue::kEventWritable).size() == 1);
  finish(fixture, {peer});
}

TEST_CASE("core: a peer that pings and does not read is not answered without end", "[core]") {
  core::CoreOptions options;
  options.send_budget = 1000;
  CoreFixture fixture(options);
  const Peer peer = fixture.open();
  peer->window = 0;
  for (int i = 0; i < 100; ++i) peer->send(ping(std::string(100, 'p')));
  fixture.turn(4);
  peer->window = SIZE_MAX;
  fixture.turn(3);
  const size_t pongs = server_frames(peer->written).size();
  CHECK(pongs >= 9);
  CHECK(pongs <= 12);
  finish(fixture, {peer});
}

}  // namespace
}  // namespace sluice::test
