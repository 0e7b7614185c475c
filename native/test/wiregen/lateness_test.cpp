#include "wiregen/lateness.hpp"

#include <catch2/catch.hpp>

using sluice::wiregen::Lateness;

namespace {

constexpr uint64_t kMs = 1'000'000;

}  // namespace

TEST_CASE("wiregen: late messages whose ways overlap in time are one stall", "[wiregen]") {
  Lateness lateness;
  lateness.message(100 * kMs, 101 * kMs);
  CHECK(lateness.stalls().empty());
  lateness.message(110 * kMs, 120 * kMs);
  lateness.message(115 * kMs, 121 * kMs);
  // In time, and so not a part of it.
  lateness.message(120 * kMs, 121 * kMs);
  lateness.message(119 * kMs, 124 * kMs);
  lateness.message(130 * kMs, 132 * kMs);
  REQUIRE(lateness.stalls().size() == 2);
  CHECK(lateness.stalls()[0].from_ns == 110 * kMs);
  CHECK(lateness.stalls()[0].to_ns == 124 * kMs);
  CHECK(lateness.stalls()[0].longest_ns == 10 * kMs);
  CHECK(lateness.stalls()[0].messages == 3);
  CHECK(lateness.stalls()[1].messages == 1);
}

TEST_CASE("wiregen: the generator says for how long it was itself away while messages were late", "[wiregen]") {
  Lateness lateness;
  lateness.turn(100 * kMs);
  lateness.turn(100 * kMs + kMs / 2);
  lateness.turn(105 * kMs + kMs / 2);
  lateness.turn(106 * kMs);
  // Due before it went, taken when it was back.
  lateness.message(99 * kMs, 106 * kMs);
  // Its absence was over by then.
  lateness.message(110 * kMs, 113 * kMs);
  REQUIRE(lateness.stalls().size() == 2);
  CHECK(lateness.absent_ns(lateness.stalls()[0]) == 5 * kMs);
  CHECK(lateness.absent_ns(lateness.stalls()[1]) == 0);
  CHECK(lateness.json() == R"({"stalls":2,"messages":2,"absences":1,"absent_ms":5,"longest_absence_ms":5,)"
                           R"("list":[[99.0,7.0,7.0,1,5.0],[110.0,3.0,3.0,1,0.0]]})");
  lateness.clear();
  CHECK(lateness.stalls().empty());
  // What it counts from is kept: the time since its last turn.
  lateness.turn(107 * kMs + kMs / 2);
  lateness.message(106 * kMs, 109 * kMs);
  REQUIRE(lateness.stalls().size() == 1);
  CHECK(lateness.absent_ns(lateness.stalls()[0]) == kMs + kMs / 2);
}

TEST_CASE("wiregen: a stall's place is told from where its phase began", "[wiregen]") {
  Lateness lateness;
  lateness.turn(1000 * kMs);
  lateness.clear();
  lateness.message(1250 * kMs, 1256 * kMs);
  CHECK_THAT(lateness.json(), Catch::Contains(R"("list":[[250.0,6.0,6.0,1,0.0]])"));
}
