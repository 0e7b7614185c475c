#include <catch2/catch.hpp>

#include "net/address_text.hpp"
#include "test/net/net_fixture.hpp"

using namespace sluice;

TEST_CASE("addresses are read with and without their prefix", "[net]") {
  net::InterfaceAddress entry{};
  REQUIRE(net::parse_address_with_prefix("10.9.0.1/24", entry));
  REQUIRE(entry.address == test::v4(10, 9, 0, 1));
  REQUIRE(entry.prefix == 24);
  REQUIRE(net::parse_address_with_prefix("fd00:0:0:9::1/64", entry));
  REQUIRE(entry.address == net::IpAddress{{0xfd, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 1}});
  net::IpAddress address{};
  REQUIRE(net::parse_address("10.9.0.254", address));
  // The mapped form would be a second name for an IPv4 address.
  for (const char* text : {"", "10.9.0", "10.9.0.1.1", "::ffff:10.9.0.1", "fe80::1%eth0"}) REQUIRE_FALSE(net::parse_address(text, address));
  for (const char* text : {"10.9.0.1", "10.9.0.1/", "10.9.0.1/33", "10.9.0.1/-1", "10.9.0.1/8x", "fd00::1/129", "/24"}) {
    REQUIRE_FALSE(net::parse_address_with_prefix(text, entry));
  }
}
