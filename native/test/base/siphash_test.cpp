#include "base/siphash.hpp"

#include <catch2/catch.hpp>

#include <cstring>

using namespace sluice;

TEST_CASE("SipHash-2-4 gives the value of its authors' example", "[siphash]") {
  uint8_t bytes[16];
  for (uint8_t i = 0; i < 16; ++i) bytes[i] = i;
  SipKey key;
  std::memcpy(&key, bytes, sizeof key);
  CHECK(siphash24(key, bytes, 15) == 0xa129ca6149be45e5u);
}

TEST_CASE("SipHash-1-3 gives what CPython's bytes hash gives with a key of zeros", "[siphash]") {
  uint8_t bytes[16];
  for (uint8_t i = 0; i < 16; ++i) bytes[i] = i;
  CHECK(siphash13(SipKey{}, bytes, 15) == 0xf30eb725bb91c9eau);
  CHECK(siphash13(SipKey{}, bytes, 16) == 0x8972188433a5c5b7u);
}

TEST_CASE("another key gives another hash", "[siphash]") {
  CHECK(siphash13(SipKey{1, 2}, "abc", 3) != siphash13(SipKey{1, 3}, "abc", 3));
  CHECK(siphash13(SipKey{1, 2}, "abc", 3) != siphash13(SipKey{2, 2}, "abc", 3));
}
