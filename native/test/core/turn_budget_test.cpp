#include <catch2/catch.hpp>

#include "core/turn_budget.hpp"

using sluice::core::TurnBudget;

TEST_CASE("core: turns of a polled device grow while more is left, and are short again once it is not", "[core]") {
  TurnBudget budget(256);
  const uint32_t least = budget.next();
  REQUIRE(least < 64);
  // Sixty-four clients with a message each: half of them are answered while the others wait.
  budget.took(least);
  budget.took(64 - least);
  REQUIRE(budget.next() == least);
  for (uint32_t turn = 0; turn < 10; ++turn) budget.took(budget.next());
  REQUIRE(budget.next() == 256);
  // One that finds less than it might take is no reason to begin anew, several are.
  budget.took(255);
  REQUIRE(budget.next() == 128);
  for (uint32_t turn = 0; turn < 10; ++turn) budget.took(10);
  REQUIRE(budget.next() == least);
}

TEST_CASE("core: no turn takes more than the budget that was asked for", "[core]") {
  TurnBudget budget(8);
  REQUIRE(budget.next() == 8);
  budget.took(8);
  REQUIRE(budget.next() == 8);
  budget.took(0);
  REQUIRE(budget.next() == 8);
}
