#include "hub/subscriber_set.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <random>
#include <set>
#include <vector>

namespace sluice::hub {
namespace {

std::set<uint32_t> members(const SubscriberSet& set) {
  std::set<uint32_t> out;
  uint32_t visits = 0;
  set.for_each([&](uint32_t slot) {
    out.insert(slot);
    ++visits;
  });
  REQUIRE(visits == out.size());
  return out;
}

TEST_CASE("subscriber set: two members need no memory", "[hub]") {
  SubscriberSet set;
  CHECK(set.insert(0));
  CHECK_FALSE(set.insert(0));
  CHECK(set.insert(7));
  CHECK(set.memory() == 0);
  CHECK(set.insert(9));
  CHECK(set.memory() != 0);
  CHECK(members(set) == std::set<uint32_t>{0, 7, 9});
}

TEST_CASE("subscriber set: members leave in any order", "[hub]") {
  for (uint32_t first = 0; first < 3; ++first) {
    SubscriberSet set;
    for (uint32_t slot = 0; slot < 3; ++slot) CHECK(set.insert(slot * 1000));
    CHECK(set.erase(first * 1000));
    CHECK_FALSE(set.erase(first * 1000));
    CHECK_FALSE(set.contains(first * 1000));
    CHECK(set.size() == 2);
  }
}

TEST_CASE("subscriber set: random against std::set, growing and shrinking", "[hub]") {
  for (uint32_t seed = 1; seed <= 8; ++seed) {
    std::mt19937 random(seed);
    SubscriberSet set;
    std::set<uint32_t> oracle;
    const uint32_t range = seed % 2 == 0 ? 64 : 3000;
    const uint32_t stride = seed % 3 == 0 ? 1u << 20 : 1;
    for (uint32_t step = 0; step < 8000; ++step) {
      const uint32_t slot = random() % range * stride;
      if (random() % 100 < (step / 1000 % 2 == 0 ? 75u : 25u)) {
        REQUIRE(set.insert(slot) == oracle.insert(slot).second);
      } else {
        REQUIRE(set.erase(slot) == (oracle.erase(slot) != 0));
      }
      REQUIRE(set.size() == oracle.size());
      REQUIRE(set.contains(slot) == (oracle.count(slot) != 0));
      if (step % 200 == 0) REQUIRE(members(set) == oracle);
    }
    REQUIRE(members(set) == oracle);
    // Sparse tables are given back.
    for (const uint32_t slot : oracle) REQUIRE(set.erase(slot));
    CHECK(set.size() == 0);
    CHECK(set.memory() <= 8 * sizeof(uint32_t));
  }
}

TEST_CASE("subscriber set: a crowd takes little memory and is walked in order, from wherever a walk stopped", "[hub]") {
  SubscriberSet set;
  std::mt19937 random(7);
  std::set<uint32_t> oracle;
  while (oracle.size() < 20'000) {
    const uint32_t slot = random() % 200'000;
    REQUIRE(set.insert(slot) == oracle.insert(slot).second);
  }
  CHECK(set.memory() < oracle.size() * 4);
  for (const uint32_t slice : {1u, 7u, 1024u, 100'000u}) {
    std::vector<uint32_t> walked;
    std::set<uint32_t> announced;
    for (uint32_t place = 0; place != SubscriberSet::kEnd;) {
      const size_t before = walked.size();
      uint32_t most = slice;
      place = set.visit(
          place, most, [&](const uint32_t* slots, uint32_t count) { announced.insert(slots, slots + count); },
          [&](const uint32_t* slots, uint32_t count) {
            REQUIRE((count != 0 && count <= SubscriberSet::kGroup));
            for (uint32_t i = 0; i < count; ++i) REQUIRE(announced.count(slots[i]) == 1);
            walked.insert(walked.end(), slots, slots + count);
          });
      REQUIRE(walked.size() - before == slice - most);
      REQUIRE((most == 0 || place == SubscriberSet::kEnd));
    }
    REQUIRE(std::equal(walked.begin(), walked.end(), oracle.begin(), oracle.end()));
  }
}

TEST_CASE("subscriber set: a crowd that thins out, and one whose members are far apart", "[hub]") {
  SubscriberSet set;
  std::set<uint32_t> oracle;
  const auto insert = [&](uint32_t slot) { REQUIRE(set.insert(slot) == oracle.insert(slot).second); };
  for (uint32_t slot = 0; slot < 40'000; ++slot) insert(slot);
  // Far beyond: bits up to there would take more than everything else.
  insert(3'000'000'000u);
  CHECK(set.memory() < oracle.size() * 16);
  REQUIRE(members(set) == oracle);
  for (uint32_t slot = 0; slot < 40'000; ++slot) {
    if (slot % 100 == 0) continue;
    REQUIRE(set.erase(slot));
    REQUIRE_FALSE(set.contains(slot));
    oracle.erase(slot);
  }
  CHECK(set.memory() < 40'000);
  REQUIRE(members(set) == oracle);
  for (uint32_t slot = 0; slot < 40'000; ++slot) insert(slot + 50'000);
  REQUIRE(members(set) == oracle);
}

}  // namespace
}  // namespace sluice::hub
