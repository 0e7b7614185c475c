#include "ws/mask.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <random>
#include <vector>

namespace sluice::ws {
namespace {

constexpr uint8_t kGuard = 0x5a;

std::vector<uint8_t> random_bytes(std::mt19937& random, size_t length) {
  std::vector<uint8_t> bytes(length);
  for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random());
  return bytes;
}

// RFC 6455 §5.3 word for word: octet i XOR key octet i MOD 4.
std::vector<uint8_t> unmask_by_definition(std::vector<uint8_t> data, uint32_t key) {
  for (size_t i = 0; i < data.size(); ++i) data[i] = static_cast<uint8_t>(data[i] ^ (key >> (8 * (i % 4))));
  return data;
}

void check_unmask(const std::vector<uint8_t>& payload, uint32_t key, size_t offset) {
  std::vector<uint8_t> room(offset + payload.size() + 32, kGuard);
  std::copy(payload.begin(), payload.end(), room.begin() + static_cast<ptrdiff_t>(offset));
  const bool high = unmask(room.data() + offset, static_cast<uint32_t>(payload.size()), key);
  const auto expected = unmask_by_definition(payload, key);
  const auto begin = room.begin() + static_cast<ptrdiff_t>(offset);
  const auto end = begin + static_cast<ptrdiff_t>(payload.size());
  REQUIRE(std::equal(expected.begin(), expected.end(), begin));
  REQUIRE(high == std::any_of(expected.begin(), expected.end(), [](uint8_t byte) { return byte >= 0x80; }));
  const auto guard = [](uint8_t byte) { return byte == kGuard; };
  REQUIRE(std::all_of(room.begin(), begin, guard));
  REQUIRE(std::all_of(end, room.end(), guard));
}

}  // namespace

TEST_CASE("unmasking follows RFC 6455 5.3 for every length and alignment", "[ws][mask]") {
  std::mt19937 random(53);
  for (size_t length = 0; length <= 600; ++length) {
    for (size_t offset = 0; offset < 32; offset += length < 64 ? 1 : 5) {
      check_unmask(random_bytes(random, length), static_cast<uint32_t>(random()), offset);
    }
  }
  check_unmask(random_bytes(random, 70'001), static_cast<uint32_t>(random()), 3);
}

TEST_CASE("one byte outside ASCII is seen wherever it stands", "[ws][mask]") {
  constexpr uint32_t kKey = 0x8100ff7e;
  for (size_t length : {1u, 3u, 4u, 7u, 8u, 15u, 16u, 33u, 128u, 129u, 256u, 300u}) {
    check_unmask(unmask_by_definition(std::vector<uint8_t>(length, 'a'), kKey), kKey, 1);
    for (size_t at = 0; at < length; ++at) {
      std::vector<uint8_t> text(length, 'a');
      text[at] = 0x80;
      check_unmask(unmask_by_definition(text, kKey), kKey, 1);
    }
  }
}

TEST_CASE("a payload that comes in pieces is unmasked with the rotated key", "[ws][mask]") {
  std::mt19937 random(54);
  const auto payload = random_bytes(random, 300);
  const auto key = static_cast<uint32_t>(random());
  const auto expected = unmask_by_definition(payload, key);
  for (uint32_t cut = 0; cut <= payload.size(); ++cut) {
    auto data = payload;
    unmask(data.data(), cut, key);
    unmask(data.data() + cut, static_cast<uint32_t>(data.size()) - cut, rotate_mask(key, cut));
    REQUIRE(data == expected);
  }
}

}  // namespace sluice::ws
