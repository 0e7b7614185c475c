#include "test/support/core_fixture.hpp"

namespace sluice::test {
namespace {

using Box = queue::InspectMailbox;

Box& box_of(CoreFixture& fixture) {
  return *reinterpret_cast<Box*>(fixture.region().data(queue::kSectionInspect, queue::kSharedCore));
}

// As an inspector in another process does it.
void ask(CoreFixture& fixture, uint32_t from) {
  Box& box = box_of(fixture);
  box.from = from;
  box.request.fetch_add(1, std::memory_order_release);
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (box.answer.load(std::memory_order_acquire) != box.request.load() && std::chrono::steady_clock::now() < end) fixture.turn();
  REQUIRE(box.answer.load() == box.request.load());
}

TEST_CASE("core: an inspector is told of every open connection, and of nothing that is gone", "[core]") {
  CoreFixture fixture;
  const Peer first = fixture.open();
  const Peer second = fixture.open();
  const Peer third = fixture.open();
  second->error = ECONNRESET;
  fixture.turn(2);
  Box& box = box_of(fixture);
  ask(fixture, 0);
  CHECK(box.next == Box::kEnd);
  REQUIRE(box.count == 2);
  CHECK(box.records[0].slot == first->id);
  CHECK(box.records[1].slot == third->id);
  CHECK(box.records[1].stream.remote_port == 1000 + third->id);
  CHECK(box.records[1].stream.state == StreamState::kEstablished);
  CHECK(box.records[1].state == static_cast<uint32_t>(core::ConnectionState::kOpen));
  CHECK(box.records[1].age_ms < 3'600'000);
  CHECK(box.records[1].paused == 0);
}

TEST_CASE("core: an inspector may ask for one peer only", "[core]") {
  CoreFixture fixture;
  fixture.open();
  const Peer second = fixture.open();
  Box& box = box_of(fixture);
  box.port = static_cast<uint16_t>(1000 + second->id);
  ask(fixture, 0);
  REQUIRE(box.count == 1);
  CHECK(box.records[0].slot == second->id);
  box.port = 0;
  box.family = 4;
  box.ip[0] = 192, box.ip[2] = 2, box.ip[3] = 7;
  ask(fixture, 0);
  CHECK(box.count == 2);
  box.ip[3] = 8;
  ask(fixture, 0);
  CHECK(box.count == 0);
}

TEST_CASE("core: more connections than a page holds come page by page", "[core]") {
  queue::RegionOptions sizes = small_region();
  sizes.connections_per_core = 512;
  CoreFixture fixture({}, sizes);
  std::vector<Peer> peers;
  for (uint32_t i = 0; i < Box::kRecords + 5; ++i) peers.push_back(fixture.open());
  Box& box = box_of(fixture);
  ask(fixture, 0);
  CHECK(box.count == Box::kRecords);
  REQUIRE(box.next == Box::kRecords);
  ask(fixture, box.next);
  CHECK(box.count == 5);
  CHECK(box.next == Box::kEnd);
}

TEST_CASE("core: an inspector that asks for rows which do not exist gets none", "[core]") {
  CoreFixture fixture;
  fixture.open();
  ask(fixture, UINT32_MAX - 1);
  CHECK(box_of(fixture).count == 0);
  CHECK(box_of(fixture).next == Box::kEnd);
}

}  // namespace
}  // namespace sluice::test
