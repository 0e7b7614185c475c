#include <catch2/catch.hpp>

#include "net/ip_layer.hpp"
#include "test/support/fake_nic.hpp"

using namespace sluice;

TEST_CASE("a packet gains room for headers in front and loses them again", "[nic]") {
  test::HeapPool pool;
  nic::Packet* const packet = pool.allocate(100);
  REQUIRE(packet->headroom() == nic::kHeadroom);
  packet->length = 100;
  const uint16_t tail = packet->tailroom();
  uint8_t* const payload = packet->data;
  REQUIRE(packet->push(20) == payload - 20);
  REQUIRE(packet->length == 120);
  REQUIRE(packet->headroom() == nic::kHeadroom - 20);
  REQUIRE(packet->tailroom() == tail);
  packet->pull(20);
  REQUIRE(packet->data == payload);
  REQUIRE(packet->length == 100);
  pool.unref(packet);
}

TEST_CASE("a frame goes back piece by piece, shared pieces with their last reference", "[nic]") {
  test::HeapPool pool(2);
  nic::Packet* const head = pool.allocate(10);
  nic::Packet* const body = pool.allocate(10);
  REQUIRE(pool.allocate(10) == nullptr);
  head->next = body;
  nic::PacketPool::ref(body);
  pool.unref_frame(head);
  REQUIRE(pool.free_count() == 1);
  pool.unref(body);
  REQUIRE(pool.free_count() == pool.total_count());
}

TEST_CASE("IPv4 addresses are their mapped form and compare by it", "[net]") {
  const uint8_t four[4] = {10, 9, 0, 1};
  const net::IpAddress address = net::IpAddress::from_v4(four);
  REQUIRE(address.is_v4());
  REQUIRE(address.v4()[3] == 1);
  REQUIRE(address == net::IpAddress::from_v4(four));
  net::IpAddress other = address;
  other.bytes[10] = 0;
  REQUIRE_FALSE(other.is_v4());
}
