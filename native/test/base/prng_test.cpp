#include "base/prng.hpp"

#include <catch2/catch.hpp>

using namespace sluice;

TEST_CASE("a seed gives the same numbers every time, another seed others", "[prng]") {
  Prng a(7);
  Prng b(7);
  Prng c(8);
  bool differs = false;
  for (int i = 0; i < 100; ++i) {
    const uint64_t value = a.next();
    REQUIRE(value == b.next());
    differs |= value != c.next();
  }
  CHECK(differs);
}

TEST_CASE("numbers below a bound stay below it and reach every value", "[prng]") {
  Prng prng(1);
  uint32_t seen[10] = {};
  for (int i = 0; i < 10'000; ++i) {
    const uint32_t value = prng.below(10);
    REQUIRE(value < 10);
    ++seen[value];
  }
  for (const uint32_t count : seen) CHECK(count > 800);
}

TEST_CASE("a chance comes as often as it says", "[prng]") {
  Prng prng(2);
  int hits = 0;
  for (int i = 0; i < 100'000; ++i) hits += prng.chance(300'000);
  CHECK(hits > 29'000);
  CHECK(hits < 31'000);
  CHECK_FALSE(prng.chance(0));
  CHECK(prng.chance(1'000'000));
}
