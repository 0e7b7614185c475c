#include "test/support/core_fixture.hpp"

namespace sluice::test {
namespace {

using namespace ws::test;
using queue::Counter;
using Strings = std::vector<std::string>;

void finish(CoreFixture& fixture, const std::vector<Peer>& peers) {
  for (const Peer& peer : peers) {
    peer->paused = false;
    peer->fin = true;
  }
  fixture.turn(3);
  fixture.check_all_free();
}

TEST_CASE("core: answers in a row go out as they stand, whatever stands between them", "[core]") {
  CoreFixture fixture;
  const Peer one = fixture.open();
  const Peer other = fixture.open();
  std::vector<ServerFrame> to_one;
  std::vector<ServerFrame> to_other;
  uint64_t bytes = 0;
  const auto send = [&](const Peer& peer, uint8_t opcode, const std::string& payload) {
    queue::Record record = fixture.command(queue::kCommandSend, peer);
    if (opcode == 1) record.flags = queue::kFlagText;
    fixture.push(record, payload);
    (peer == one ? to_one : to_other).push_back({opcode, payload});
    bytes += payload.size();
  };
  send(one, 1, "first");
  send(one, 2, "second");
  send(one, 1, "");
  send(one, 2, std::string(126, 'm'));
  send(one, 1, std::string(2049, 'l'));
  send(one, 1, "behind a long one");
  send(other, 2, "alone");
  send(one, 1, "before what cannot be");
  send(one, 2, "next to it");
  queue::Record wild = fixture.command(queue::kCommandSend, one);
  wild.address = static_cast<uint32_t>(fixture.region().size());
  wild.length = 1;
  fixture.push(wild);
  send(one, 1, "behind it");
  send(other, 1, "a");
  send(other, 1, "b");
  fixture.push(fixture.command(queue::kCommandNotifyWritable, other));
  send(other, 1, "c");
  queue::Record former = fixture.command(queue::kCommandSend, other);
  ++former.generation;
  fixture.push(former, "another's");
  send(other, 1, "d");
  const uint64_t before = fixture.counter(Counter::payload_bytes_out);
  fixture.turn();
  CHECK(server_frames(one->written) == to_one);
  CHECK(server_frames(other->written) == to_other);
  CHECK(fixture.counter(Counter::commands_invalid) == 1);
  CHECK(fixture.counter(Counter::commands_stale) == 1);
  CHECK(fixture.counter(Counter::payload_bytes_out) == before + bytes);
  CHECK(fixture.commands().unconfirmed() == 0);
  CHECK(fixture.command_data_tail() == fixture.command_data_head());
  finish(fixture, {one, other});
}

TEST_CASE("core: a short answer leaves at once, ahead of nothing that was before it", "[core]") {
  CoreFixture fixture({}, small_region(), 128);
  const Peer one = fixture.open();
  const Peer other = fixture.open();
  const Peer slow = fixture.open();
  slow->window = 0;
  std::vector<ServerFrame> to_one;
  std::vector<ServerFrame> to_other;
  std::vector<ServerFrame> to_slow;
  const auto send = [&](const Peer& peer, const std::string& payload) {
    fixture.send(peer, payload);
    (peer == one ? to_one : peer == other ? to_other : to_slow).push_back({1, payload});
  };
  send(one, "at once");
  send(other, std::string(118, 'o'));
  send(slow, "waits");
  send(one, std::string(119, 'l'));
  send(slow, "waits too");
  send(one, "behind one that was too long");
  send(other, "again at once");
  const uint64_t before = fixture.counter(Counter::payload_bytes_out);
  fixture.turn();
  CHECK(fixture.driver().answered == 3);
  CHECK(fixture.driver().violations == 0);
  CHECK(server_frames(one->written) == to_one);
  CHECK(server_frames(other->written) == to_other);
  CHECK(server_frames(slow->written).empty());
  CHECK(fixture.counter(Counter::payload_bytes_out) == before + 7 + 118 + 5 + 119 + 9 + 28 + 13);
  slow->window = SIZE_MAX;
  fixture.turn();
  send(slow, "no longer");
  fixture.turn(2);
  CHECK(server_frames(slow->written) == to_slow);
  fixture.push(fixture.command(queue::kCommandNotifyWritable, other));
  send(other, "while its drain is awaited");
  fixture.turn(2);
  CHECK(server_frames(other->written) == to_other);
  finish(fixture, {one, other, slow});
}

TEST_CASE("core: who reaches its budget amid answers in a row is held back, and has all of them once it reads", "[core]") {
  core::CoreOptions options;
  options.send_budget = 1000;
  CoreFixture fixture(options);
  const Peer peer = fixture.open();
  peer->window = 0;
  std::vector<ServerFrame> expected;
  const auto send = [&](int count) {
    for (int i = 0; i < count; ++i) {
      expected.push_back({1, std::to_string(expected.size()) + std::string(60, 'p')});
      fixture.send(peer, expected.back().payload);
    }
    fixture.turn();
  };
  send(14);
  CHECK_FALSE(peer->paused);
  send(14);
  CHECK(peer->paused);
  send(14);
  CHECK(peer->paused);
  peer->window = SIZE_MAX;
  REQUIRE(fixture.turn_until([&] { return !peer->paused; }));
  CHECK(server_frames(peer->written) == expected);
  finish(fixture, {peer});
}

TEST_CASE("core: bytes of messages in a row stay until all of them are done with, in whatever order", "[core]") {
  CoreFixture fixture;
  const Peer peer = fixture.open();
  fixture.turn(2);
  fixture.hold_events = true;
  peer->send(text("one") + binary("two") + text("") + text("three"));
  peer->send(text("in a block of its own"));
  fixture.turn();
  const uint32_t end = fixture.core().event_position();
  const auto free_blocks = [&] { return fixture.core().blocks().free_count(); };
  const uint32_t held = free_blocks();
  const auto confirm = [&](uint32_t first, uint32_t count) {
    fixture.push({queue::kCommandConfirm, 0, 0, 0, 0, 0, 0, first, count, 0});
    fixture.turn(2);
  };
  confirm(end - 2, 1);
  confirm(end - 4, 2);
  CHECK(free_blocks() == held);
  confirm(end - 5, 1);
  CHECK(free_blocks() == held + 1);
  confirm(end - 1, 1);
  CHECK(free_blocks() == held + 2);
  fixture.hold_events = false;
  fixture.take_events();
  CHECK(fixture.messages() == Strings{"one", "two", "", "three", "in a block of its own"});
  finish(fixture, {peer});
}

TEST_CASE("core: what stands before a broken text is told", "[core]") {
  CoreFixture fixture;
  const Peer peer = fixture.open();
  peer->send(text("whole") + text("\xce\xba") + text("broken \xff") + text("behind it"));
  fixture.turn(3);
  CHECK(fixture.messages() == Strings{"whole", "\xce\xba"});
  REQUIRE(server_frames(peer->written).size() == 1);
  CHECK(server_frames(peer->written)[0].code() == ws::kCloseBadPayload);
  finish(fixture, {peer});
}

}  // namespace
}  // namespace sluice::test
