#include <catch2/catch.hpp>

#include <vector>

#include "nic/exception_nic.hpp"
#include "test/support/fake_nic.hpp"

using namespace sluice;

namespace {

using Bytes = std::vector<uint8_t>;

struct Path {
  Path() {
    std::string error;
    REQUIRE(nic.open(error));
  }

  nic::Packet* packet(uint8_t number) {
    nic::Packet* const packet = device.pool().allocate(60);
    packet->length = 60;
    for (uint16_t i = 0; i < 60; ++i) packet->data[i] = static_cast<uint8_t>(number + i);
    return packet;
  }
  uint32_t turn() {
    nic::Packet* frames[64];
    const uint32_t count = nic.receive(frames, 64);
    for (uint32_t i = 0; i < count; ++i) device.pool().unref_frame(frames[i]);
    return count;
  }
  bool all_returned() { return device.heap().free_count() == device.heap().total_count(); }

  test::FakeNic device;
  test::FakeNic kernel{&device.heap()};
  nic::ExceptionNic nic{device, kernel};
};

Bytes frame(uint8_t number) {
  Bytes bytes(60);
  for (uint8_t i = 0; i < 60; ++i) bytes[i] = static_cast<uint8_t>(number + i);
  return bytes;
}

}  // namespace

TEST_CASE("what the kernel sends goes out, and what comes is received", "[nic]") {
  Path path;
  path.kernel.put(frame(1));
  path.kernel.put(frame(2));
  path.device.put(frame(3));
  REQUIRE_FALSE(path.nic.arm());
  REQUIRE(path.turn() == 1);
  REQUIRE(path.device.sent == std::vector<Bytes>{frame(1), frame(2)});
  REQUIRE(path.nic.worked());
  REQUIRE_FALSE(path.nic.worked());
  REQUIRE(path.nic.arm());
  REQUIRE(path.nic.counters().kernel_in == 2);
  REQUIRE(path.all_returned());
}

TEST_CASE("what is given goes to the kernel before the core sleeps, at the latest", "[nic]") {
  Path path;
  path.nic.give(path.packet(1));
  REQUIRE(path.kernel.sent.empty());
  REQUIRE(path.nic.arm());
  REQUIRE(path.kernel.sent == std::vector<Bytes>{frame(1)});
  path.nic.give(path.packet(2));
  path.turn();
  REQUIRE(path.kernel.sent.size() == 2);
  REQUIRE(path.nic.counters().kernel_out == 2);
  REQUIRE(path.all_returned());
}

TEST_CASE("a flood of what is not ours costs a burst a turn, and is counted", "[nic]") {
  Path path;
  for (int i = 0; i < 200; ++i) path.nic.give(path.packet(1));
  path.turn();
  REQUIRE(path.kernel.sent.size() == 64);
  REQUIRE(path.nic.counters().kernel_lost == 136);
  path.kernel.room = 0;
  path.nic.give(path.packet(2));
  path.turn();
  REQUIRE(path.nic.counters().kernel_lost == 137);
  REQUIRE(path.all_returned());
}

TEST_CASE("a device that is full holds the kernel back and loses nothing of it", "[nic]") {
  Path path;
  for (uint8_t i = 0; i < 3; ++i) path.kernel.put(frame(i));
  path.device.room = 1;
  path.turn();
  REQUIRE(path.device.sent.size() == 1);
  REQUIRE(path.nic.stalled());
  path.kernel.put(frame(3));
  path.turn();
  REQUIRE(path.nic.counters().kernel_in == 3);
  path.device.room = 10;
  path.turn();
  path.turn();
  REQUIRE(path.device.sent == std::vector<Bytes>{frame(0), frame(1), frame(2), frame(3)});
  REQUIRE_FALSE(path.nic.stalled());
  REQUIRE(path.all_returned());
}

TEST_CASE("a tag that the device took off is put back for the kernel", "[nic]") {
  Path path;
  nic::Packet* const packet = path.packet(1);
  packet->vlan = 0x2007;
  path.nic.give(packet);
  path.turn();
  Bytes want = frame(1);
  const Bytes tag{0x81, 0x00, 0x20, 0x07};
  want.insert(want.begin() + 12, tag.begin(), tag.end());
  REQUIRE(path.kernel.sent == std::vector<Bytes>{want});
  REQUIRE(path.all_returned());
}

TEST_CASE("what waits when the path is closed goes back to its pool", "[nic]") {
  test::FakeNic device;
  test::FakeNic kernel{&device.heap()};
  {
    nic::ExceptionNic nic(device, kernel);
    device.room = 0;
    kernel.put(frame(1));
    nic::Packet* frames[4];
    REQUIRE(nic.receive(frames, 4) == 0);
    nic::Packet* const packet = device.pool().allocate(60);
    packet->length = 60;
    nic.give(packet);
  }
  REQUIRE(device.heap().free_count() == device.heap().total_count());
}
