#include "wire/checksum.hpp"

#include <catch2/catch.hpp>

#include "base/bytes.hpp"
#include "base/prng.hpp"

using namespace sluice;
using namespace sluice::wire;

namespace {

// RFC 1071 §1 word by word, in network order.
uint16_t reference(const std::vector<uint8_t>& bytes) {
  uint32_t sum = 0;
  for (size_t i = 0; i < bytes.size(); i += 2) {
    sum += static_cast<uint32_t>(bytes[i]) << 8 | (i + 1 < bytes.size() ? bytes[i + 1] : 0);
    sum = (sum & 0xffff) + (sum >> 16);
  }
  return static_cast<uint16_t>(~sum);
}

uint16_t in_host_order(uint16_t stored) { return __builtin_bswap16(stored); }

}  // namespace

TEST_CASE("the example of RFC 1071 §3", "[checksum]") {
  const uint8_t bytes[] = {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};
  Checksum sum;
  sum.add(bytes, sizeof bytes);
  CHECK(in_host_order(sum.raw()) == 0xddf2);
}

TEST_CASE("every length and every cut into pieces gives the reference's sum", "[checksum]") {
  Prng prng(3);
  for (uint32_t length = 0; length < 300; ++length) {
    std::vector<uint8_t> bytes(length);
    for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(prng.next() >> 56 | (prng.chance(500'000) ? 0xff : 0));
    Checksum whole;
    whole.add(bytes.data(), length);
    REQUIRE(in_host_order(whole.finish()) == reference(bytes));
    Checksum cut;
    for (uint32_t at = 0; at < length;) {
      const uint32_t piece = 1 + prng.below(length - at);
      cut.add(bytes.data() + at, piece);
      at += piece;
    }
    REQUIRE(cut.finish() == whole.finish());
  }
}

TEST_CASE("a header is summed alike in words", "[checksum]") {
  Prng prng(5);
  for (uint32_t length = 20; length <= 60; length += 4) {
    std::vector<uint8_t> bytes(length);
    for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(prng.next() >> 56);
    Checksum sum;
    sum.add_header(bytes.data(), length);
    CHECK(in_host_order(sum.finish()) == reference(bytes));
  }
}

TEST_CASE("sums of any size are folded with all their carries", "[checksum]") {
  Prng prng(6);
  std::vector<uint64_t> sums = {0, 1, 0xffff, 0x1'0000, 0xffff'ffff, 0x1'0000'0000, 0xffff'ffff'0000'0001, UINT64_MAX - 1, UINT64_MAX};
  for (int i = 0; i < 1000; ++i) sums.push_back(prng.next() | (prng.chance(300'000) ? 0xffff'ffff'0000'0000 : 0) >> prng.below(32));
  for (const uint64_t sum : sums) {
    uint64_t folded = sum;
    while (folded > 0xffff) folded = (folded & 0xffff) + (folded >> 16);
    Checksum checksum;
    checksum.add_sum(sum);
    REQUIRE(checksum.raw() == folded);
  }
}

TEST_CASE("data with its checksum in place is good, and with any bit turned it is not", "[checksum]") {
  std::vector<uint8_t> bytes(64);
  Prng prng(4);
  for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(prng.next());
  bytes[10] = bytes[11] = 0;
  Checksum sum;
  sum.add(bytes.data(), 64);
  store_checksum(bytes.data() + 10, sum.finish());
  const auto good = [&] {
    Checksum check;
    check.add(bytes.data(), 64);
    return check.good();
  };
  REQUIRE(good());
  for (uint32_t bit = 0; bit < 512; ++bit) {
    bytes[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
    REQUIRE_FALSE(good());
    bytes[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
  }
}

TEST_CASE("an incremental update equals a fresh sum (RFC 1624)", "[checksum]") {
  Prng prng(5);
  for (int round = 0; round < 2000; ++round) {
    std::vector<uint8_t> bytes(20);
    for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(prng.next());
    Checksum before;
    before.add(bytes.data(), 20);
    const uint16_t old_word = load_checksum(bytes.data() + 6);
    const auto new_word = static_cast<uint16_t>(prng.chance(100'000) ? 0 : prng.next());
    store_checksum(bytes.data() + 6, new_word);
    Checksum after;
    after.add(bytes.data(), 20);
    REQUIRE(checksum_update(before.finish(), old_word, new_word) == after.finish());
  }
}

TEST_CASE("a pseudo-header is summed as the bytes that RFC 9293 §3.1 and RFC 8200 §8.1 draw", "[checksum]") {
  const std::vector<uint8_t> v4 = {10, 9, 0, 1, 10, 9, 0, 2, 0, 6, 0x12, 0x34};
  Checksum sum4;
  add_pseudo_header_v4(sum4, v4.data(), v4.data() + 4, 6, 0x1234);
  CHECK(in_host_order(sum4.finish()) == reference(v4));
  std::vector<uint8_t> v6(40);
  for (uint8_t i = 0; i < 32; ++i) v6[i] = static_cast<uint8_t>(i * 9 + 3);
  store_be32(v6.data() + 32, 0x00012345);
  v6[39] = 58;
  Checksum sum6;
  add_pseudo_header_v6(sum6, v6.data(), v6.data() + 16, 58, 0x00012345);
  CHECK(in_host_order(sum6.finish()) == reference(v6));
}
