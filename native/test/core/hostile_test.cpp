#include "base/prng.hpp"
#include "test/support/core_fixture.hpp"

// What a control plane in another process may have written, by a defect or on purpose: anything. The core goes on, and touches nothing
// outside of the region (which AddressSanitizer watches).

namespace sluice::test {
namespace {

using queue::Counter;

queue::Record random_record(Prng& random, uint32_t size, uint32_t slots) {
  queue::Record record;
  auto* words = reinterpret_cast<uint32_t*>(&record);
  for (uint32_t i = 0; i < sizeof record / sizeof *words; ++i) words[i] = static_cast<uint32_t>(random.next());
  // Mostly what nearly fits, so that the first check is not the last.
  record.type = static_cast<uint8_t>(random.below(20));
  record.slot = random.below(slots + 2);
  record.generation = random.below(4);
  record.a = random.below(8);
  if (random.below(2) == 0) record.address = random.below(size);
  if (random.below(2) == 0) record.length = random.below(4096);
  return record;
}

TEST_CASE("core: commands of random bytes change nothing but what they may", "[core]") {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    CAPTURE(seed);
    Prng random(seed);
    CoreFixture fixture;
    std::vector<Peer> peers;
    for (int i = 0; i < 4; ++i) peers.push_back(fixture.open());
    for (int round = 0; round < 300; ++round) {
      const auto size = static_cast<uint32_t>(fixture.region().size());
      for (uint32_t i = random.below(32); i-- > 0;) fixture.push(random_record(random, size, 4));
      const Peer& peer = peers[random.below(static_cast<uint32_t>(peers.size()))];
      if (!peer->closed && !peer->fin) peer->send(ws::test::text("hello"));
      fixture.turn();
      fixture.events.clear();
    }
    CHECK_FALSE(fixture.core().corrupted());
    CHECK(fixture.driver().violations == 0);
  }
}

TEST_CASE("core: a command ring of random bytes is noticed or read, and the next control plane begins anew", "[core]") {
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    CAPTURE(seed);
    Prng random(seed);
    CoreFixture fixture;
    const Peer peer = fixture.open();
    auto* bytes = fixture.region().data(queue::kSectionCommandRing, 0);
    const uint64_t size = fixture.region().section(queue::kSectionCommandRing, 0).size;
    for (uint64_t i = 0; i < size; ++i) {
      if (random.below(4) != 0) bytes[i] = static_cast<uint8_t>(static_cast<uint32_t>(random.next()));
    }
    bool waits = false;
    fixture.core().transmit(waits);
    static_cast<void>(fixture.core().receive(0));
    fixture.core().detach();
    CHECK_FALSE(fixture.core().corrupted());
    std::vector<uint8_t> snapshot;
    fixture.core().attach_owner(snapshot);
    CHECK(snapshot.size() >= 44);
    fixture.core().transmit(waits);
    CHECK_FALSE(fixture.core().corrupted());
    CHECK(fixture.driver().violations == 0);
  }
}

TEST_CASE("core: event rings of random bytes do not reach the core", "[core]") {
  Prng random(7);
  CoreFixture fixture;
  const Peer peer = fixture.open();
  fixture.turn(2);
  fixture.hold_events = true;
  auto* bytes = fixture.region().data(queue::kSectionEventRing, 0);
  const uint64_t size = fixture.region().section(queue::kSectionEventRing, 0).size;
  for (int round = 0; round < 50; ++round) {
    for (uint64_t i = 0; i < size; ++i) bytes[i] = static_cast<uint8_t>(static_cast<uint32_t>(random.next()));
    const uint32_t position = fixture.core().event_position();
    peer->send(ws::test::text("one"));
    fixture.turn();
    REQUIRE(fixture.core().event_position() == position + 1);
    fixture.push({queue::kCommandConfirm, 0, 0, 0, 0, 0, 0, position, 1, 0});
    fixture.turn();
  }
  fixture.turn();
  CHECK(fixture.core().blocks().free_count() + 1 >= fixture.core().blocks().count());
  CHECK(fixture.driver().violations == 0);
}

}  // namespace
}  // namespace sluice::test
