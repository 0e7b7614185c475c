// The link that joins two devices: its rate, its queue, its faults.
#include <catch2/catch.hpp>

#include <memory>
#include <vector>

#include "wiregen/bridge.hpp"
#include "wiregen/heap_pool.hpp"
#include "wiregen/options.hpp"

using namespace sluice;
using namespace sluice::wiregen;

namespace {

// Gives what was put in, and keeps what is sent by it.
class Loose final : public nic::Nic {
 public:
  void put(uint32_t bytes, uint8_t mark) {
    nic::Packet* packet = pool_.allocate(bytes);
    REQUIRE(packet != nullptr);
    packet->length = static_cast<uint16_t>(bytes);
    packet->data[0] = mark;
    coming_.push_back(packet);
  }
  const std::vector<uint8_t>& sent() const { return sent_; }
  bool empty() const { return pool_.free_count() == pool_.total_count(); }

  const char* name() const noexcept override { return "loose"; }
  const nic::NicCapabilities& capabilities() const noexcept override { return capabilities_; }
  nic::PacketPool& pool() noexcept override { return pool_; }
  uint32_t receive(nic::Packet** frames, uint32_t max) noexcept override {
    uint32_t count = 0;
    while (count < max && at_ < coming_.size()) frames[count++] = coming_[at_++];
    return count;
  }
  uint32_t transmit(nic::Packet** frames, uint32_t count) noexcept override {
    for (uint32_t i = 0; i < count; ++i) {
      sent_.push_back(frames[i]->data[0]);
      pool_.unref_frame(frames[i]);
    }
    return count;
  }
  bool transmitting(const nic::Packet*) const noexcept override { return false; }
  bool link_up() noexcept override { return true; }
  bool arm() noexcept override { return false; }
  int wait_fd() const noexcept override { return -1; }
  const nic::NicCounters& counters() noexcept override { return counters_; }

 private:
  HeapPool pool_{256};
  nic::NicCapabilities capabilities_;
  nic::NicCounters counters_;
  std::vector<nic::Packet*> coming_;
  size_t at_ = 0;
  std::vector<uint8_t> sent_;
};

struct Rig {
  Loose a, b;
  ManualClock clock;
  std::unique_ptr<Bridge> bridge;

  explicit Rig(const BridgeOptions& options) { bridge = std::make_unique<Bridge>(a, b, clock, options); }
  void until_us(uint64_t us) {
    while (clock.now_us() < us) {
      clock.advance_us(100);
      bridge->turn(clock.now_ns());
    }
  }
};

}  // namespace

TEST_CASE("bridge: frames pass at the link's rate, in order, each way", "[wiregen][bridge]") {
  BridgeOptions options;
  options.bits_per_second = 8'000'000;
  Rig rig(options);
  for (uint8_t i = 0; i < 10; ++i) {
    rig.a.put(1000, i);
    rig.b.put(1000, static_cast<uint8_t>(100 + i));
  }
  // A millisecond for each; the first goes at once.
  rig.until_us(5'000);
  CHECK(rig.b.sent().size() >= 4);
  CHECK(rig.b.sent().size() <= 6);
  rig.until_us(11'000);
  CHECK(rig.b.sent() == std::vector<uint8_t>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9});
  CHECK(rig.a.sent() == std::vector<uint8_t>{100, 101, 102, 103, 104, 105, 106, 107, 108, 109});
  CHECK((rig.a.empty() && rig.b.empty()));
}

TEST_CASE("bridge: what the queue has no room for is lost", "[wiregen][bridge]") {
  BridgeOptions options;
  options.bits_per_second = 8'000'000;
  options.queue_bytes = 3'500;
  Rig rig(options);
  for (uint8_t i = 0; i < 10; ++i) rig.a.put(1000, i);
  rig.until_us(20'000);
  CHECK(rig.b.sent() == std::vector<uint8_t>{0, 1, 2});
  CHECK(rig.bridge->report().find("\"forth_full\":7") != std::string::npos);
}

TEST_CASE("bridge: a delay and a loss are those of the direction that they were given for", "[wiregen][bridge]") {
  BridgeOptions options;
  std::string error;
  REQUIRE(nic::parse_faults("delay=5ms,rx.loss=100%", options.faults, error));
  Rig rig(options);
  rig.a.put(100, 1);
  rig.b.put(100, 2);
  rig.until_us(4'000);
  CHECK(rig.a.sent().empty());
  rig.until_us(6'000);
  CHECK(rig.a.sent() == std::vector<uint8_t>{2});
  CHECK(rig.b.sent().empty());
}

TEST_CASE("bridge: its arguments", "[wiregen][bridge]") {
  const auto parse = [](std::vector<const char*> words, Options& out) {
    words.insert(words.begin(), "sluice-wiregen");
    return parse_options(static_cast<int>(words.size()), const_cast<char**>(words.data()), out);
  };
  Options good;
  CHECK(parse({"--bridge", "a,b", "--rate", "200M", "--queue", "64000", "--faults", "tx.loss=1%"}, good).empty());
  CHECK(good.bridge_b == "b");
  CHECK(good.bridge.bits_per_second == 200'000'000);
  CHECK(good.bridge.faults.tx.loss == 10'000);
  Options bad;
  CHECK(parse({"--bridge", "a"}, bad).find("--bridge needs a value") == 0);
  CHECK(parse({"--bridge", "a,b", "--rate", "fast"}, bad).find("--rate needs a value") == 0);
  CHECK(parse({"--bridge", "a,b", "--faults", "lost=1%"}, bad).find("there is no 'lost'") != std::string::npos);
  Options both;
  CHECK(parse({"scenario", "--bridge", "a,b"}, both) == "--bridge takes no scenario");
}
