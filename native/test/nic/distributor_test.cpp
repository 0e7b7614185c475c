#include <catch2/catch.hpp>

#include <poll.h>

#include <chrono>
#include <memory>
#include <thread>
#include <vector>

#include "nic/flow_hash.hpp"
#include "queue/flag.hpp"
#include "test/nic/dpdk_fixture.hpp"

using namespace sluice;

// A port of one queue, two cores: what either sends comes back to the first, which hands it on.

namespace {

struct Shared {
  std::string error;
  std::unique_ptr<nic::DpdkDevice> device = nic::test::open_port("net_ring1", 2, error);

  nic::Nic& poller() { return device->queue(0); }
  nic::Nic& lane() { return device->queue(1); }
};

Shared& shared() {
  static Shared instance;
  return instance;
}

bool unavailable(const char* name) { return nic::test::unavailable(shared().device.get(), shared().error, name); }

// A frame of TCP over IPv4 between these ports.
nic::Packet* segment(nic::Nic& device, uint16_t port) {
  static constexpr uint8_t kHeaders[54] = {2, 0, 0, 0, 0, 1,  2, 0, 0, 0, 0, 2,  8,  0, 0x45, 0, 0, 40, 0, 0,    0,    0, 64, 6, 0, 0, 10,
                                           9, 0, 2, 10, 9, 0, 1, 0, 0, 0x23, 0x28, 0, 0, 0, 0, 0, 0, 0, 0, 0x50, 0x10, 1, 0, 0, 0, 0, 0};
  nic::Packet* const packet = device.pool().allocate(sizeof kHeaders);
  if (packet == nullptr) return nullptr;
  std::memcpy(packet->data, kHeaders, sizeof kHeaders);
  packet->data[34] = static_cast<uint8_t>(port >> 8);
  packet->data[35] = static_cast<uint8_t>(port);
  packet->length = sizeof kHeaders;
  return packet;
}

uint16_t port_of(const nic::Packet* packet) { return static_cast<uint16_t>(packet->data[34] << 8 | packet->data[35]); }
uint32_t owner_of(const nic::Packet* packet) { return nic::core_of(*nic::flow_hash(packet->data, packet->length), 2); }

// A port that belongs to the core's flows, from `first` on.
uint16_t port_for(uint32_t core, uint16_t first) {
  nic::Packet* const packet = segment(shared().poller(), first);
  while (owner_of(packet) != core) {
    ++first;
    packet->data[34] = static_cast<uint8_t>(first >> 8);
    packet->data[35] = static_cast<uint8_t>(first);
  }
  shared().poller().pool().unref_frame(packet);
  return first;
}

bool send(nic::Nic& device, nic::Packet* packet) { return device.transmit(&packet, 1) == 1; }

std::vector<uint16_t> receive(nic::Nic& device) {
  std::vector<uint16_t> ports;
  nic::Packet* frames[64];
  while (const uint32_t count = device.receive(frames, 64)) {
    for (uint32_t i = 0; i < count; ++i) {
      ports.push_back(port_of(frames[i]));
      device.pool().unref_frame(frames[i]);
    }
  }
  return ports;
}

bool readable(int fd) {
  pollfd file{fd, POLLIN, 0};
  return ::poll(&file, 1, 0) == 1;
}

struct Settled {
  uint32_t free = shared().poller().pool().free_count();
  bool all_back() const { return shared().poller().pool().free_count() == free; }
};

}  // namespace

TEST_CASE("a port that cannot spread flows says that a core does it", "[dpdk]") {
  if (unavailable("a port that cannot spread flows")) return;
  const std::string note = shared().device->note();
  INFO(note);
  REQUIRE(note.find("net_ring1") == 0);
  REQUIRE(note.find("core 0 polls for all 2") != std::string::npos);
  REQUIRE(note.find("sends theirs") != std::string::npos);
}

TEST_CASE("each core receives the frames of its flows, in order, and the first what is of none", "[dpdk]") {
  if (unavailable("each core receives the frames of its flows")) return;
  const Settled before;
  std::vector<uint16_t> want[2];
  for (uint16_t port = 2000; port < 2200; ++port) {
    nic::Packet* const packet = segment(shared().poller(), port);
    want[owner_of(packet)].push_back(port);
    REQUIRE(send(shared().poller(), packet));
  }
  nic::Packet* const arp = segment(shared().poller(), 7);
  arp->data[13] = 6;
  REQUIRE(send(shared().poller(), arp));
  want[0].push_back(7);
  REQUIRE(receive(shared().poller()) == want[0]);
  REQUIRE(receive(shared().lane()) == want[1]);
  REQUIRE(want[1].size() > 50);
  REQUIRE(before.all_back());
}

TEST_CASE("what another core sends goes out through the first", "[dpdk]") {
  if (unavailable("what another core sends")) return;
  const Settled before;
  const uint16_t port = port_for(1, 3000);
  nic::Packet* const packet = segment(shared().lane(), port);
  nic::PacketPool::ref(packet);
  REQUIRE(send(shared().lane(), packet));
  REQUIRE(shared().lane().transmitting(packet));
  REQUIRE(receive(shared().lane()).empty());
  REQUIRE(receive(shared().poller()).empty());
  REQUIRE(shared().poller().worked());
  REQUIRE_FALSE(shared().poller().worked());
  REQUIRE(receive(shared().lane()) == std::vector<uint16_t>{port});
  REQUIRE_FALSE(shared().lane().transmitting(packet));
  // The ring handed the same memory to the receiver, which counted from one again.
  packet->references = 1;
  shared().lane().pool().unref(packet);
  REQUIRE(before.all_back());
}

TEST_CASE("a core that sleeps is woken by a frame of its own, and one that has some does not sleep", "[dpdk]") {
  if (unavailable("a core that sleeps is woken")) return;
  const Settled before;
  REQUIRE(shared().lane().arm());
  REQUIRE(shared().lane().capabilities().interrupts);
  REQUIRE(send(shared().poller(), segment(shared().poller(), port_for(0, 4000))));
  REQUIRE(receive(shared().poller()).size() == 1);
  REQUIRE_FALSE(readable(shared().lane().wait_fd()));
  REQUIRE(send(shared().poller(), segment(shared().poller(), port_for(1, 4000))));
  REQUIRE(receive(shared().poller()).empty());
  REQUIRE(readable(shared().lane().wait_fd()));
  REQUIRE_FALSE(shared().lane().arm());
  REQUIRE(receive(shared().lane()).size() == 1);
  REQUIRE_FALSE(readable(shared().lane().wait_fd()));
  REQUIRE(before.all_back());
}

TEST_CASE("the core that polls is woken by what another one sends", "[dpdk]") {
  if (unavailable("the core that polls is woken")) return;
  const Settled before;
  REQUIRE(shared().poller().arm());
  REQUIRE_FALSE(readable(shared().poller().wait_fd()));
  REQUIRE(send(shared().lane(), segment(shared().lane(), port_for(0, 5000))));
  REQUIRE(readable(shared().poller().wait_fd()));
  REQUIRE(receive(shared().poller()).size() == 1);
  REQUIRE_FALSE(readable(shared().poller().wait_fd()));
  REQUIRE(send(shared().lane(), segment(shared().lane(), port_for(0, 5000))));
  REQUIRE_FALSE(shared().poller().arm());
  REQUIRE(receive(shared().poller()).size() == 1);
  REQUIRE(before.all_back());
}

TEST_CASE("a core that does not keep up loses frames as at a full queue, and they are counted", "[dpdk]") {
  if (unavailable("a core that does not keep up")) return;
  const Settled before;
  const uint16_t port = port_for(1, 6000);
  const uint64_t missed_before = shared().poller().counters().rx_missed;
  static constexpr uint32_t kSent = 5'000;
  for (uint32_t i = 0; i < kSent; ++i) {
    REQUIRE(send(shared().poller(), segment(shared().poller(), port)));
    if (i % 32 == 31) REQUIRE(receive(shared().poller()).empty());
    if (i == 4'000) REQUIRE(shared().poller().counters().rx_missed == missed_before);
  }
  REQUIRE(receive(shared().poller()).empty());
  const uint64_t missed = shared().poller().counters().rx_missed - missed_before;
  REQUIRE(missed > 0);
  REQUIRE(receive(shared().lane()).size() + missed == kSent);
  REQUIRE(before.all_back());
}

TEST_CASE("where a device takes no more, a core's frames wait and nothing is lost", "[dpdk]") {
  if (unavailable("where a device takes no more")) return;
  const Settled before;
  const uint16_t port = port_for(0, 7000);
  // Until the device is full of the first core's.
  uint32_t filled = 0;
  for (nic::Packet* packet = segment(shared().poller(), port); packet != nullptr; packet = segment(shared().poller(), port)) {
    if (send(shared().poller(), packet)) {
      ++filled;
      continue;
    }
    shared().poller().pool().unref_frame(packet);
    break;
  }
  REQUIRE(send(shared().lane(), segment(shared().lane(), port)));
  nic::Packet* one;
  // It offers the other core's frame before it receives, in vain, and then it makes room.
  REQUIRE(shared().poller().receive(&one, 1) == 1);
  REQUIRE(shared().poller().stalled());
  shared().poller().pool().unref_frame(one);
  REQUIRE(receive(shared().poller()).size() == filled);
  REQUIRE_FALSE(shared().poller().stalled());
  REQUIRE(before.all_back());
}

TEST_CASE("two threads pass a hundred thousand frames, none lost, doubled or out of order", "[dpdk][no-tsan]") {
  if (unavailable("two threads pass frames")) return;
  static constexpr uint32_t kFrames = 100'000;
  const uint16_t port = port_for(1, 8000);
  queue::Flag done;
  std::thread polling([&done] {
    while (!done.is_set()) {
      static_cast<void>(receive(shared().poller()));
      std::this_thread::yield();
    }
  });
  uint32_t sent = 0;
  uint32_t received = 0;
  bool ordered = true;
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  nic::Packet* frames[64];
  while (received < kFrames && ordered && std::chrono::steady_clock::now() < deadline) {
    // No more under way than a queue holds: beyond that, frames are lost by right.
    if (sent < kFrames && sent - received < 512) {
      nic::Packet* const packet = segment(shared().lane(), port);
      if (packet != nullptr) {
        packet->data[42] = static_cast<uint8_t>(sent >> 16);
        packet->data[43] = static_cast<uint8_t>(sent >> 8);
        packet->data[44] = static_cast<uint8_t>(sent);
        if (send(shared().lane(), packet)) {
          ++sent;
        } else {
          shared().lane().pool().unref_frame(packet);
        }
      }
    }
    const uint32_t count = shared().lane().receive(frames, 64);
    for (uint32_t i = 0; i < count; ++i) {
      const uint8_t* const at = frames[i]->data + 42;
      ordered = ordered && static_cast<uint32_t>(at[0] << 16 | at[1] << 8 | at[2]) == received;
      ++received;
      shared().lane().pool().unref_frame(frames[i]);
    }
    if (count == 0) std::this_thread::yield();
  }
  done.set();
  polling.join();
  REQUIRE(ordered);
  REQUIRE(received == kFrames);
}

TEST_CASE("a port with a transmit queue for each core is sent to without the first's help", "[dpdk]") {
  std::string error;
  const std::unique_ptr<nic::DpdkDevice> device = nic::test::open_port("net_pcap0", 2, error);
  if (nic::test::unavailable(device.get(), error, "a port with a transmit queue for each core")) return;
  const std::string note = device->note();
  REQUIRE(note.find("core 0 polls for all 2") != std::string::npos);
  REQUIRE(note.find("sends theirs") == std::string::npos);
  REQUIRE(send(device->queue(1), segment(device->queue(1), 1)));
  REQUIRE(device->queue(1).counters().tx_frames == 1);
}
