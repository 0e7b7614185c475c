#include "wiregen/hold_up.hpp"

#include <catch2/catch.hpp>

using sluice::wiregen::HoldUp;

TEST_CASE("wiregen: a server that takes nothing is heard again before long, or each would wait for the other", "[wiregen]") {
  HoldUp hold_up(100);
  CHECK_FALSE(hold_up.look(100, 0, 1'000'000));
  CHECK(hold_up.look(101, 0, 2'000'000));
  CHECK(hold_up.look(500, 0, 5'000'000));
  CHECK_FALSE(hold_up.look(500, 0, 2'000'000 + HoldUp::kPatienceNs));
  CHECK(hold_up.stuck());
  // It took one: there is hope.
  CHECK(hold_up.look(499, 1, 9'000'000));
  CHECK_FALSE(hold_up.stuck());
  CHECK_FALSE(hold_up.look(50, 450, 90'000'000));
}
