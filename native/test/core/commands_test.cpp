#include "test/support/core_fixture.hpp"

namespace sluice::test {
namespace {

using namespace ws::test;
using queue::Counter;

TEST_CASE("core: commands to rows that are another's by now are ignored", "[core]") {
  CoreFixture fixture;
  const Peer peer = fixture.open();
  fixture.turn();
  for (int type = queue::kCommandSend; type <= queue::kCommandUnsubscribe; ++type) {
    queue::Record stale = fixture.command(static_cast<queue::CommandType>(type), peer, 1000, 1);
    --stale.generation;
    fixture.push(stale, "bytes");
    stale.generation += 2;
    fixture.push(stale, "bytes");
    for (const uint32_t slot : {peer->id + 1, 63u, 64u, UINT32_MAX}) {
      queue::Record nobody = stale;
      nobody.slot = slot;
      fixture.push(nobody);
      nobody.generation = 0;
      fixture.turn();
      fixture.push(nobody);
    }
  }
  fixture.turn();
  CHECK(fixture.counter(Counter::commands_stale) == 10 * 10);
  CHECK(server_frames(peer->written).empty());
  CHECK_FALSE(peer->paused);
  CHECK(fixture.row(peer).state == core::ConnectionState::kOpen);
  peer->fin = true;
  fixture.turn(2);
  fixture.check_all_free();
}

TEST_CASE("core: addresses outside of the message bytes are not read from", "[core]") {
  CoreFixture fixture;
  const Peer peer = fixture.open();
  fixture.subscribe(peer, 1);
  fixture.turn();
  const auto size = static_cast<uint32_t>(fixture.region().size());
  const std::vector<std::pair<uint32_t, uint32_t>> wild{{0, 10},     {4096, 1},                {size, 1},
                                                     {size - 1, 2}, {UINT32_MAX, UINT32_MAX}, {size - 4, UINT32_MAX}};
  for (const auto& [address, length] : wild) {
    for (const auto type : {queue::kCommandSend, queue::kCommandSendFramed, queue::kCommandWelcome, queue::kCommandPublish}) {
      queue::Record record = fixture.command(type, peer, 0, 1);
      record.address = address;
      record.length = length;
      fixture.push(record);
    }
    fixture.turn();
  }
  CHECK(fixture.counter(Counter::commands_invalid) == wild.size() * 4);
  CHECK(server_frames(peer->written).empty());
  queue::Record close = fixture.command(queue::kCommandClose, peer, 1000);
  close.address = size;
  close.length = 4;
  fixture.push(close);
  fixture.turn();
  REQUIRE(server_frames(peer->written).size() == 1);
  CHECK(server_frames(peer->written)[0].payload.size() == 2);
  peer->send(ws::test::close(1000));
  fixture.push(fixture.command(queue::kCommandUnsubscribe, peer, 0, 1));
  fixture.turn(3);
  fixture.check_all_free();
}

TEST_CASE("core: unknown commands and early releases are counted and do nothing", "[core]") {
  CoreFixture fixture;
  const Peer peer = fixture.open();
  queue::Record unknown = fixture.command(queue::kCommandSend, peer);
  for (const uint8_t type : {uint8_t{0}, uint8_t{queue::kCommandWelcome + 1}, uint8_t{255}}) {
    unknown.type = type;
    fixture.push(unknown);
  }
  fixture.release(peer);
  const Peer handshaking = fixture.driver().connect();
  fixture.turn();
  fixture.release(handshaking);
  fixture.send(handshaking, "not yet");
  fixture.close(handshaking, 1000);
  fixture.turn();
  CHECK(fixture.counter(Counter::commands_invalid) == 5);
  CHECK(handshaking->written.empty());
  fixture.send(peer, "alive");
  fixture.turn();
  CHECK(server_frames(peer->written) == std::vector<ServerFrame>{{1, "alive"}});
  peer->fin = handshaking->fin = true;
  fixture.turn(2);
  fixture.check_all_free();
}

TEST_CASE("core: a welcome admits, sends and subscribes, or only the first two", "[core]") {
  core::CoreOptions options;
  options.protocol = core::Protocol::kSluice;
  options.hello_timeout_ms = 60;
  CoreFixture fixture(options);
  const Peer joined = fixture.open();
  const Peer alone = fixture.open();
  const Peer stranger = fixture.open();
  queue::Record welcome = fixture.command(queue::kCommandWelcome, joined, 2, 7);
  welcome.flags = queue::kFlagChannel;
  welcome.b = 5;
  fixture.push(welcome, server_text("welcome") + server_text("ok"));
  fixture.push(fixture.command(queue::kCommandWelcome, alone, 1, 7), server_text("welcome"));
  fixture.turn();
  CHECK(server_frames(joined->written) == std::vector<ServerFrame>{{1, "welcome"}, {1, "ok"}});
  CHECK(server_frames(alone->written) == std::vector<ServerFrame>{{1, "welcome"}});
  CHECK(fixture.row(joined).subscriptions == 1);
  CHECK(fixture.row(alone).subscriptions == 0);
  fixture.publish(7, 5, server_text("before"), 0);
  fixture.publish(7, 6, server_text("after"), 100);
  fixture.turn();
  CHECK(fixture.counter(Counter::publishes_replayed) == 1);
  CHECK(server_frames(joined->written).back().payload == "after");
  CHECK(server_frames(alone->written).size() == 1);
  REQUIRE(fixture.turn_until([&] { return stranger->fin_sent; }));
  fixture.turn(2);
  CHECK_FALSE((joined->fin_sent || alone->fin_sent));
  // Counters are written now and then.
  CHECK(fixture.turn_until([&] { return fixture.counter(Counter::messages_out) == 4; }));
  fixture.push(fixture.command(queue::kCommandUnsubscribe, joined, 0, 7));
  joined->fin = alone->fin = stranger->fin = true;
  fixture.turn(3);
  fixture.check_all_free();
}

TEST_CASE("core: commands that come after the end are ignored until the row is released", "[core]") {
  CoreFixture fixture;
  const Peer peer = fixture.open();
  fixture.turn();
  const queue::Record send = fixture.command(queue::kCommandSend, peer);
  peer->fin = true;
  fixture.turn(2);
  REQUIRE(peer->closed);
  for (int type = queue::kCommandAdmit; type <= queue::kCommandUnsubscribe; ++type) {
    fixture.push(fixture.command(static_cast<queue::CommandType>(type), peer, 0, 1));
  }
  fixture.push(send, "late");
  fixture.turn();
  const size_t written = peer->written.size();
  fixture.release(peer);
  fixture.turn();
  fixture.push(send, "later");
  fixture.turn();
  CHECK(peer->written.size() == written);
  CHECK(fixture.counter(Counter::commands_stale) == 1);
  CHECK(fixture.driver().violations == 0);
  fixture.check_all_free();
}

TEST_CASE("core: what is written into the event ring's index changes nothing", "[core]") {
  for (const uint32_t offset : {1u, 1000u, 0x8000'0000u, UINT32_MAX}) {
    CoreFixture fixture;
    const Peer peer = fixture.open();
    fixture.turn(2);
    fixture.hold_events = true;
    auto* header = reinterpret_cast<queue::RingHeader*>(fixture.region().data(queue::kSectionEventRing, 0));
    const uint32_t free_blocks = fixture.core().blocks().free_count();
    const uint32_t tail = header->tail.load();
    header->tail.store(header->head.load() + offset);
    fixture.turn();
    CHECK(fixture.core().blocks().free_count() == free_blocks);
    CHECK_FALSE(fixture.core().corrupted());
    header->tail.store(tail);
  }
}

TEST_CASE("core: only events that are there can be confirmed", "[core]") {
  CoreFixture fixture;
  const Peer peer = fixture.open();
  fixture.turn(2);
  fixture.hold_events = true;
  peer->send(ws::test::text("kept"));
  fixture.turn();
  const uint32_t position = fixture.core().event_position();
  const uint32_t free_blocks = fixture.core().blocks().free_count();
  const auto confirm = [&](uint32_t first, uint32_t count) {
    fixture.push({queue::kCommandConfirm, 0, 0, 0, 0, 0, 0, first, count, 0});
    fixture.turn(2);
  };
  confirm(position, 1);
  confirm(position - 1, 2);
  confirm(position + 0x7000'0000u, 1);
  confirm(position - 1, UINT32_MAX);
  CHECK(fixture.core().blocks().free_count() == free_blocks);
  CHECK(fixture.counter(Counter::commands_invalid) == 4);
  // What was confirmed before may be named once more.
  confirm(position - 3, 3);
  CHECK(fixture.core().blocks().free_count() == free_blocks + 1);
  CHECK(fixture.counter(Counter::commands_invalid) == 4);
  fixture.hold_events = false;
  peer->fin = true;
  fixture.check_all_free();
}

TEST_CASE("core: an index of the command ring that cannot be is noticed", "[core]") {
  CoreFixture fixture;
  const Peer peer = fixture.open();
  auto* header = reinterpret_cast<queue::RingHeader*>(fixture.region().data(queue::kSectionCommandRing, 0));
  header->head.store(header->tail.load() + 65);
  bool waits = false;
  CHECK(fixture.core().transmit(waits) == 0);
  CHECK(fixture.core().corrupted());
}

}  // namespace
}  // namespace sluice::test
