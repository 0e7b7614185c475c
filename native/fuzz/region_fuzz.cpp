#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "base/assert.hpp"
#include "core/core.hpp"
#include "test/support/fake_driver.hpp"

// A control plane that writes anything anywhere in the region it shares with a core. The input is a list of steps: commands that nearly
// fit, raw bytes in the rings, their data and the header, what clients send meanwhile, and takeovers. The core may notice or not; it must
// not crash, touch what is outside of the region, or break its contract with the driver, and the next control plane must be served.

namespace {

using namespace sluice;

constexpr uint32_t kSlots = 16;
constexpr uint32_t kRecords = 64;
constexpr size_t kMaxPeers = 8;
constexpr char kHandshake[] =
    "GET /chat HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    "Sec-WebSocket-Version: 13\r\n\r\n";
constexpr char kHello[] = "\x81\x85\0\0\0\0hello";  // a masked text frame; the mask is nil

class Input {
 public:
  Input(const uint8_t* data, size_t size) : at_(data), end_(data + size) {}
  bool more() const { return at_ < end_; }
  uint8_t byte() { return more() ? *at_++ : 0; }
  uint32_t word() { return byte() | byte() << 8 | byte() << 16 | static_cast<uint32_t>(byte()) << 24; }
  size_t copy_to(uint8_t* to, size_t count) {
    count = std::min<size_t>(count, static_cast<size_t>(end_ - at_));
    std::memcpy(to, at_, count);
    at_ += count;
    return count;
  }

 private:
  const uint8_t* at_;
  const uint8_t* end_;
};

class World {
 public:
  World() {
    queue::RegionOptions sizes;
    sizes.name = "fuzz-" + std::to_string(getpid());
    sizes.connections_per_core = kSlots;
    sizes.event_records = kRecords;
    sizes.command_records = kRecords;
    sizes.command_data_bytes = 1u << 14;
    sizes.receive_block_bytes = 4096;
    sizes.receive_blocks = 8;
    sizes.assembly_bytes = 1u << 16;
    sizes.arena_chunk_bytes = 1u << 14;
    sizes.arena_chunks = 2;
    std::string error;
    region_ = queue::Region::create(sizes, error);
    SLUICE_ASSERT(region_ != nullptr);
    core::CoreOptions options;
    options.max_message = 4096;
    options.send_budget = 4096;
    core_ = std::make_unique<core::Core>(*region_, 0, options);
    auto driver = std::make_unique<test::FakeDriver>(core_->blocks(), *core_);
    driver_ = driver.get();
    core_->attach(std::move(driver));
    for (const queue::SectionKind kind : {queue::kSectionCommandRing, queue::kSectionEventRing, queue::kSectionCommandData}) {
      places_.push_back({region_->data(kind, 0), region_->section(kind, 0).size});
    }
    places_.push_back({region_->base(), queue::kHeaderBytes});
    places_.push_back({region_->base(), region_->size()});
    attach();
  }

  void step(Input& input) {
    switch (input.byte() % 8) {
      case 0:
      case 1:
        return command(input);
      case 2:
        return scribble(input);
      case 3:
        return open();
      case 4:
        if (auto peer = peer_of(input)) peer->send(std::string_view(kHello, sizeof kHello - 1));
        return;
      case 5:
        if (auto peer = peer_of(input)) peer->fin = true;
        return;
      case 6:
        return turn();
      default:
        core_->detach();
        return attach();
    }
  }

  void turn() {
    static_cast<void>(core_->receive(0));
    bool waits = false;
    core_->transmit(waits);
    // As the loop of a detached engine does.
    if (core_->corrupted()) core_->drop_commands();
  }

  // Whatever was written: the next one finds an engine that serves.
  void end() {
    turn();
    core_->detach();
    SLUICE_ASSERT(!core_->corrupted());
    attach();
    turn();
    SLUICE_ASSERT(driver_->violations == 0);
  }

 private:
  struct Place {
    uint8_t* bytes;
    uint64_t size;
  };

  void attach() {
    std::vector<uint8_t> snapshot;
    core_->attach_owner(snapshot);
    SLUICE_ASSERT(snapshot.size() >= 48 && snapshot.size() % 4 == 0);
  }

  // Mostly what nearly fits, so that the first check is not the last. It is published, where the ring's header still has a sense.
  void command(Input& input) {
    auto* header = reinterpret_cast<queue::RingHeader*>(places_[0].bytes);
    auto* records = reinterpret_cast<queue::Record*>(header + 1);
    uint32_t head;
    std::memcpy(&head, &header->head, sizeof head);
    queue::Record& record = records[head % kRecords];
    record.type = static_cast<uint8_t>(input.byte() % 20);
    record.flags = input.byte();
    record.code = static_cast<uint16_t>(input.word());
    record.slot = input.byte() % (kSlots + 2);
    record.generation = input.byte() % 4;
    record.address = input.byte() % 2 == 0 ? input.word() : static_cast<uint32_t>(places_[2].bytes - region_->base()) + input.byte();
    record.length = input.byte() % 2 == 0 ? input.word() : input.byte();
    record.a = input.byte() % 8;
    record.b = input.byte() % 2 == 0 ? input.word() : input.byte();
    record.c = input.byte() % 2 == 0 ? input.word() : input.byte();
    ++head;
    std::memcpy(&header->head, &head, sizeof head);
  }

  void scribble(Input& input) {
    const Place& place = places_[input.byte() % places_.size()];
    const uint64_t at = input.word() % place.size;
    input.copy_to(place.bytes + at, std::min<uint64_t>(input.byte(), place.size - at));
  }

  void open() {
    if (peers_.size() == kMaxPeers) return;
    peers_.push_back(driver_->connect());
    peers_.back()->send(std::string_view(kHandshake, sizeof kHandshake - 1));
  }

  std::shared_ptr<test::FakePeer> peer_of(Input& input) {
    const uint8_t which = input.byte();
    if (peers_.empty()) return nullptr;
    auto peer = peers_[which % peers_.size()];
    return peer->closed || peer->fin ? nullptr : peer;
  }

  std::unique_ptr<queue::Region> region_;
  std::unique_ptr<core::Core> core_;
  test::FakeDriver* driver_ = nullptr;
  std::vector<Place> places_;
  std::vector<std::shared_ptr<test::FakePeer>> peers_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Input input(data, size);
  World world;
  while (input.more()) world.step(input);
  world.end();
  return 0;
}
