#include "base/block_pool.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <random>
#include <set>
#include <vector>

namespace sluice {
namespace {

TEST_CASE("block pool: every block once, then none", "[base]") {
  std::vector<uint8_t> memory(64 * 8);
  BlockPool pool(memory.data(), 64, 8);
  std::set<uint32_t> taken;
  for (int i = 0; i < 8; ++i) taken.insert(pool.acquire());
  CHECK(taken.size() == 8);
  CHECK(*taken.rbegin() == 7);
  CHECK(pool.acquire() == BlockPool::kNone);
  CHECK(pool.free_count() == 0);
  for (const uint32_t block : taken) {
    CHECK(pool.data(block) == memory.data() + 64 * block);
    CHECK(pool.block_of(pool.data(block) + 63) == block);
    pool.unref(block);
  }
  CHECK(pool.free_count() == 8);
}

TEST_CASE("block pool: a block is free with its last reference, and the last one freed is the next one given", "[base]") {
  std::vector<uint8_t> memory(32 * 4);
  BlockPool pool(memory.data(), 32, 4);
  const uint32_t block = pool.acquire();
  pool.ref(block);
  pool.ref(block);
  CHECK(pool.refs(block) == 3);
  pool.unref(block);
  pool.unref(block);
  CHECK(pool.free_count() == 3);
  pool.unref(block);
  CHECK(pool.free_count() == 4);
  CHECK(pool.acquire() == block);
}

TEST_CASE("block pool: knows its own bytes", "[base]") {
  std::vector<uint8_t> memory(32 * 4 + 2);
  BlockPool pool(memory.data() + 1, 32, 4);
  CHECK_FALSE(pool.contains(memory.data()));
  CHECK(pool.contains(memory.data() + 1));
  CHECK(pool.contains(memory.data() + 128));
  CHECK_FALSE(pool.contains(memory.data() + 129));
}

TEST_CASE("block pool: random references against counts", "[base]") {
  constexpr uint32_t kBlocks = 16;
  std::vector<uint8_t> memory(32 * kBlocks);
  BlockPool pool(memory.data(), 32, kBlocks);
  std::vector<uint32_t> counts(kBlocks, 0);
  std::mt19937 random(7);
  for (int step = 0; step < 20'000; ++step) {
    const uint32_t at = random() % kBlocks;
    const auto held = static_cast<uint32_t>(kBlocks - std::count(counts.begin(), counts.end(), 0u));
    if (random() % 3 == 0) {
      const uint32_t block = pool.acquire();
      REQUIRE((block == BlockPool::kNone) == (held == kBlocks));
      if (block == BlockPool::kNone) continue;
      REQUIRE(counts[block]++ == 0);
    } else if (counts[at] != 0 && random() % 2 == 0) {
      pool.ref(at);
      ++counts[at];
    } else if (counts[at] != 0) {
      pool.unref(at);
      --counts[at];
    }
    REQUIRE(pool.refs(at) == counts[at]);
  }
}

}  // namespace
}  // namespace sluice
