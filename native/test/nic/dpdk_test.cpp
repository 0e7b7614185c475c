#include <catch2/catch.hpp>

#include <sched.h>

#include <cstring>
#include <memory>
#include <vector>

#include "test/nic/dpdk_fixture.hpp"

using namespace sluice;
using nic::test::text_of;

namespace {

struct Loop {
  std::unique_ptr<nic::DpdkDevice> device;
  std::string error;
  cpu_set_t before;
  cpu_set_t after;

  Loop() {
    sched_getaffinity(0, sizeof before, &before);
    device = nic::test::open_port("net_ring0", 1, error);
    sched_getaffinity(0, sizeof after, &after);
  }
};

Loop& loop() {
  static Loop instance;
  return instance;
}

bool unavailable(const char* name) { return nic::test::unavailable(loop().device.get(), loop().error, name); }

nic::Packet* packet_of(nic::Nic& device, const char* text) {
  nic::Packet* const packet = device.pool().allocate(64);
  packet->length = static_cast<uint16_t>(std::strlen(text));
  std::memcpy(packet->data, text, packet->length);
  return packet;
}

std::string receive_one(nic::Nic& device) {
  nic::Packet* frames[4];
  if (device.receive(frames, 4) != 1) return "";
  const std::string text = text_of(frames[0]);
  device.pool().unref_frame(frames[0]);
  return text;
}

}  // namespace

TEST_CASE("a port starts, and the thread that asked for it keeps its CPUs", "[dpdk]") {
  if (unavailable("a port starts")) return;
  REQUIRE(std::string(loop().device->note()).empty());
  REQUIRE(std::string(loop().device->port_name()) == "net_ring0");
  REQUIRE(CPU_EQUAL(&loop().before, &loop().after));
  REQUIRE(loop().device->queue(0).capabilities().mtu >= 1500);
}

TEST_CASE("EAL refuses other arguments in the same process", "[dpdk]") {
  if (unavailable("EAL refuses other arguments")) return;
  nic::DpdkOptions options;
  options.eal = "--no-huge -m 256";
  std::string error;
  REQUIRE(nic::open_dpdk(options, error) == nullptr);
  REQUIRE(error.find("other arguments") != std::string::npos);
}

TEST_CASE("what is sent comes back, and every packet returns to the pool", "[dpdk]") {
  if (unavailable("what is sent comes back")) return;
  nic::Nic& device = loop().device->queue(0);
  const uint32_t free_before = device.pool().free_count();
  nic::Packet* frames[3] = {packet_of(device, "one"), packet_of(device, "two"), packet_of(device, "three")};
  REQUIRE(frames[0]->headroom() == nic::kHeadroom);
  REQUIRE(device.transmit(frames, 3) == 3);
  nic::Packet* back[4];
  REQUIRE(device.receive(back, 4) == 3);
  REQUIRE(text_of(back[2]) == "three");
  REQUIRE(back[0]->references == 1);
  for (int i = 0; i < 3; ++i) device.pool().unref_frame(back[i]);
  REQUIRE(device.pool().free_count() == free_before);
}

TEST_CASE("a packet of which a reference is kept is not free until the device and its owner are done", "[dpdk]") {
  if (unavailable("a packet of which a reference is kept")) return;
  nic::Nic& device = loop().device->queue(0);
  const uint32_t free_before = device.pool().free_count();
  nic::Packet* const packet = packet_of(device, "kept");
  nic::PacketPool::ref(packet);
  nic::Packet* frame = packet;
  REQUIRE(device.transmit(&frame, 1) == 1);
  REQUIRE(packet->references == 1);
  REQUIRE(device.transmitting(packet));
  // The ring hands the same memory to the receiver, whose reference is the device's.
  nic::Packet* back[4];
  REQUIRE(device.receive(back, 4) == 1);
  REQUIRE(text_of(back[0]) == "kept");
  device.pool().unref_frame(back[0]);
  device.pool().unref(packet);
  static_cast<void>(free_before);
}

TEST_CASE("a frame of several pieces is one frame", "[dpdk]") {
  if (unavailable("a frame of several pieces")) return;
  nic::Nic& device = loop().device->queue(0);
  if (device.capabilities().max_pieces < 2) return;
  const uint32_t free_before = device.pool().free_count();
  nic::Packet* const head = packet_of(device, "head ");
  head->next = packet_of(device, "body");
  nic::Packet* frame = head;
  REQUIRE(device.transmit(&frame, 1) == 1);
  REQUIRE(receive_one(device) == "head body");
  REQUIRE(device.pool().free_count() == free_before);
}

TEST_CASE("the pool says when it has no more, and what it has", "[dpdk]") {
  if (unavailable("the pool says when it has no more")) return;
  nic::Nic& device = loop().device->queue(0);
  const uint32_t free_before = device.pool().free_count();
  REQUIRE(device.pool().allocate(1 << 16) == nullptr);
  std::vector<nic::Packet*> held;
  while (nic::Packet* packet = device.pool().allocate(nic::PacketPool::kSmallBytes + 1)) held.push_back(packet);
  REQUIRE(held.size() == free_before);
  REQUIRE(device.pool().free_count() == 0);
  // Of small ones there is a reserve.
  while (nic::Packet* packet = device.pool().allocate(nic::PacketPool::kSmallBytes)) held.push_back(packet);
  REQUIRE(held.size() >= free_before + 256);
  for (nic::Packet* packet : held) device.pool().unref(packet);
  REQUIRE(device.pool().free_count() == free_before);
}

TEST_CASE("a full device queue takes what it can and leaves the rest", "[dpdk]") {
  if (unavailable("a full device queue")) return;
  nic::Nic& device = loop().device->queue(0);
  const uint32_t free_before = device.pool().free_count();
  std::vector<nic::Packet*> frames;
  for (int i = 0; i < 3000; ++i) frames.push_back(packet_of(device, "x"));
  const uint32_t taken = device.transmit(frames.data(), static_cast<uint32_t>(frames.size()));
  REQUIRE(taken > 0);
  REQUIRE(taken < frames.size());
  REQUIRE(device.counters().tx_full > 0);
  for (uint32_t i = taken; i < frames.size(); ++i) device.pool().unref_frame(frames[i]);
  nic::Packet* back[64];
  while (const uint32_t count = device.receive(back, 64)) {
    for (uint32_t i = 0; i < count; ++i) device.pool().unref_frame(back[i]);
  }
  REQUIRE(device.pool().free_count() == free_before);
}
