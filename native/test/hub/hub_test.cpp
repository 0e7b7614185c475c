#include "hub/hub.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

namespace sluice::hub {
namespace {

struct Lagging {
  uint32_t slot;
  uint32_t channel;
  uint64_t next_seq;
  bool operator==(const Lagging&) const = default;
};

struct Recorder final : DeliverySink {
  uint32_t deliver(std::span<const uint32_t> slots, std::span<const Piece> pieces) override {
    REQUIRE((!slots.empty() && slots.size() <= SubscriberSet::kGroup));
    uint32_t over_budget = 0;
    for (uint32_t i = 0; i < slots.size(); ++i) {
      if (slow.count(slots[i]) != 0) {
        over_budget |= 1u << i;
        continue;
      }
      for (const Piece& piece : pieces) got[slots[i]].append(reinterpret_cast<const char*>(piece.data), piece.length);
      pieces_seen += static_cast<uint32_t>(pieces.size());
    }
    return over_budget;
  }
  void lagging(uint32_t slot, uint32_t channel, uint64_t next_seq) override { lost.push_back({slot, channel, next_seq}); }

  std::map<uint32_t, std::string> got;
  std::set<uint32_t> slow;
  std::vector<Lagging> lost;
  uint32_t pieces_seen = 0;
};

const uint8_t* bytes(const std::string& text, size_t at = 0) { return reinterpret_cast<const uint8_t*>(text.data()) + at; }

TEST_CASE("hub: subscribing twice is once, and a channel lives as long as its subscribers", "[hub]") {
  Hub hub;
  Recorder sink;
  CHECK(hub.subscribe(5, 1, sink));
  CHECK_FALSE(hub.subscribe(5, 1, sink));
  CHECK(hub.subscribe(5, 2, sink));
  CHECK(hub.subscriptions() == 2);
  CHECK(hub.channels() == 1);
  CHECK(hub.unsubscribe(5, 1, sink));
  CHECK_FALSE(hub.unsubscribe(5, 1, sink));
  CHECK_FALSE(hub.unsubscribe(6, 1, sink));
  CHECK(hub.unsubscribe(5, 2, sink));
  CHECK(hub.subscriptions() == 0);
  CHECK(hub.channels() == 0);
}

TEST_CASE("hub: adjacent frames of a channel are one piece", "[hub]") {
  Hub hub;
  Recorder sink;
  const std::string arena = "aabbbcXdd";
  hub.subscribe(1, 10, sink);
  hub.subscribe(1, 11, sink);
  CHECK(hub.publish(1, bytes(arena, 0), 2, 1));
  CHECK(hub.publish(1, bytes(arena, 2), 3, 2));
  CHECK(hub.publish(1, bytes(arena, 5), 1, 3));
  CHECK(hub.publish(1, bytes(arena, 7), 2, 4));
  CHECK(hub.publish(2, bytes(arena, 6), 1, 1));
  CHECK(hub.flush(sink) == 4 * 2);
  CHECK(sink.pieces_seen == 2 * 2);
  CHECK(sink.got[10] == "aabbbcdd");
  CHECK(sink.got[11] == "aabbbcdd");
  CHECK(hub.flush(sink) == 0);
}

TEST_CASE("hub: a sequence number that is not above the last is a replay", "[hub]") {
  Hub hub;
  Recorder sink;
  const std::string arena = "abcdefg";
  hub.subscribe(1, 10, sink);
  CHECK(hub.publish(1, bytes(arena, 0), 1, 5));
  CHECK_FALSE(hub.publish(1, bytes(arena, 1), 1, 5));
  CHECK_FALSE(hub.publish(1, bytes(arena, 2), 1, 4));
  CHECK(hub.publish(1, bytes(arena, 3), 1, 6));
  CHECK(hub.flush(sink) == 2);
  CHECK_FALSE(hub.publish(1, bytes(arena, 4), 1, 6));
  CHECK(hub.publish(1, bytes(arena, 5), 1, 0));
  CHECK(hub.publish(1, bytes(arena, 6), 1, uint64_t{1} << 40));
  hub.flush(sink);
  CHECK(sink.got[10] == "adfg");
}

TEST_CASE("hub: a subscriber gets what is published from its subscription to its end", "[hub]") {
  Hub hub;
  Recorder sink;
  const std::string arena = "abcd";
  hub.subscribe(1, 10, sink);
  hub.publish(1, bytes(arena, 0), 1, 1);
  hub.subscribe(1, 11, sink);
  hub.publish(1, bytes(arena, 1), 1, 2);
  hub.unsubscribe(1, 10, sink);
  hub.publish(1, bytes(arena, 2), 1, 3);
  hub.unsubscribe(1, 11, sink);
  hub.publish(1, bytes(arena, 3), 1, 4);
  hub.flush(sink);
  CHECK(sink.got[10] == "ab");
  CHECK(sink.got[11] == "bc");
}

TEST_CASE("hub: who is over its budget is taken out and told where", "[hub]") {
  Hub hub;
  Recorder sink;
  const std::string arena = "abcd";
  for (uint32_t slot = 1; slot <= 4; ++slot) hub.subscribe(7, slot, sink);
  hub.publish(7, bytes(arena, 0), 1, 20);
  hub.flush(sink);
  sink.slow = {2, 3};
  hub.publish(7, bytes(arena, 1), 1, 21);
  hub.publish(7, bytes(arena, 2), 1, 22);
  CHECK(hub.flush(sink) == 2 * 2);
  std::sort(sink.lost.begin(), sink.lost.end(), [](const Lagging& a, const Lagging& b) { return a.slot < b.slot; });
  CHECK(sink.lost == std::vector<Lagging>{{2, 7, 21}, {3, 7, 21}});
  CHECK(hub.subscriptions() == 2);
  sink.slow = {1, 4};
  hub.publish(7, bytes(arena, 3), 1, 23);
  CHECK(hub.flush(sink) == 0);
  CHECK(hub.subscriptions() == 0);
  CHECK(hub.channels() == 0);
  CHECK(sink.got[1] == "abc");
  CHECK(sink.got[2] == "a");
}

TEST_CASE("hub: a fan-out goes on where it stopped, and what is published meanwhile comes behind it", "[hub]") {
  Hub hub;
  Recorder sink;
  const std::string arena = "abcde";
  for (uint32_t slot = 0; slot < 100; ++slot) hub.subscribe(1, slot, sink);
  hub.subscribe(2, 500, sink);
  hub.publish(1, bytes(arena, 0), 1, 1);
  hub.publish(2, bytes(arena, 4), 1, 1);
  CHECK(hub.flush(sink, 40) == 40);
  CHECK(sink.got.size() == 40);
  REQUIRE(hub.flushing());
  hub.publish(1, bytes(arena, 2), 1, 2);
  CHECK(hub.flush(sink, 60) == 60);
  CHECK(hub.flush(sink, 1000) == 101);
  CHECK_FALSE(hub.flushing());
  CHECK(sink.got[500] == "e");
  for (uint32_t slot = 0; slot < 100; ++slot) CHECK(sink.got[slot] == "ac");
}

TEST_CASE("hub: subscribers that change during a fan-out get what was published while they were there, once", "[hub]") {
  Hub hub;
  Recorder sink;
  const std::string arena = "ab";
  for (uint32_t slot = 0; slot < 100; ++slot) hub.subscribe(1, slot, sink);
  sink.slow = {7};
  hub.publish(1, bytes(arena, 0), 1, 1);
  const uint64_t first = hub.flush(sink, 10);
  SECTION("one leaves") { hub.unsubscribe(1, 50, sink); }
  SECTION("one comes") { hub.subscribe(1, 200, sink); }
  SECTION("one is forgotten") { hub.forget(50, sink); }
  CHECK(sink.lost == std::vector<Lagging>{{7, 1, 1}});
  for (uint32_t slot = 0; slot < 100; ++slot) CHECK(sink.got[slot] == (slot == 7 ? "" : "a"));
  CHECK(sink.got.count(200) == 0);
  CHECK(first + hub.flush(sink) == 99);
  CHECK_FALSE(hub.flushing());
}

TEST_CASE("hub: memory of channels that are gone is not counted", "[hub]") {
  Hub hub;
  Recorder sink;
  const auto fill = [&](bool lag) {
    for (uint32_t slot = 0; slot < 100; ++slot) hub.subscribe(1, slot, sink);
    if (lag) {
      for (uint32_t slot = 0; slot < 100; ++slot) sink.slow.insert(slot);
      const std::string arena = "x";
      hub.publish(1, bytes(arena), 1, 0);
      hub.flush(sink);
      sink.slow.clear();
    } else {
      for (uint32_t slot = 0; slot < 100; ++slot) hub.unsubscribe(1, slot, sink);
    }
    REQUIRE(hub.channels() == 0);
  };
  hub.subscribe(1, 0, sink);
  hub.unsubscribe(1, 0, sink);
  const uint64_t empty = hub.memory();
  for (int round = 0; round < 6; ++round) {
    fill(round % 2 == 1);
    CHECK(hub.memory() == empty);
  }
}

// What each subscriber must have been given, by sets and strings.
class Model {
 public:
  explicit Model(uint32_t seed) : random_(seed), arena_(1u << 16, ' ') {
    for (size_t i = 0; i < arena_.size(); ++i) arena_[i] = static_cast<char>('A' + i / kPart * 8 + random_() % 8);
  }

  void step() {
    const uint32_t channel = 1 + random_() % kChannels;
    const uint32_t slot = random_() % kSlots;
    auto& members = members_[channel];
    switch (random_() % 8) {
      case 0:
      case 1:
        REQUIRE(hub_.subscribe(channel, slot, sink_) == members.insert(slot).second);
        break;
      case 2:
        REQUIRE(hub_.unsubscribe(channel, slot, sink_) == (members.erase(slot) != 0));
        break;
      case 3:
        hub_.flush(sink_);
        REQUIRE_FALSE(hub_.flushing());
        check_deliveries();
        break;
      case 4:
        // A part of it: whatever comes next finds a fan-out in the middle of a channel's subscribers.
        hub_.flush(sink_, 1 + random_() % 6);
        break;
      default:
        publish(channel);
    }
    uint64_t count = 0;
    uint64_t channels = 0;
    for (const auto& [id, set] : members_) {
      count += set.size();
      channels += set.empty() ? 0 : 1;
    }
    REQUIRE(hub_.subscriptions() == count);
    REQUIRE(hub_.channels() == channels);
    if (members_[channel].empty()) last_seq_[channel] = 0;
  }

 private:
  static constexpr uint32_t kChannels = 5;
  static constexpr uint32_t kSlots = 24;
  static constexpr uint32_t kPart = 10'000;

  // Order is kept within a channel, not between channels; each has letters of its own. What has been checked is not read again.
  void check_deliveries() {
    std::map<std::pair<uint32_t, uint32_t>, std::string> got;
    for (const auto& [slot, text] : sink_.got) {
      for (const char c : text) got[{slot, static_cast<uint32_t>(c - 'A') / 8}] += c;
    }
    REQUIRE(got == expected_);
    sink_.got.clear();
    expected_.clear();
  }

  void publish(uint32_t channel) {
    const auto& members = members_[channel];
    const uint32_t length = 1 + random_() % 9;
    uint32_t& at = at_[channel];
    if (random_() % 3 == 0 || at + length > kPart) at = random_() % (kPart - length);
    const uint32_t place = channel * kPart + at;
    const uint64_t seq = random_() % 4 == 0 ? 0 : last_seq_[channel] + random_() % 3;
    const bool fresh = members.empty() || seq == 0 || seq > last_seq_[channel];
    REQUIRE(hub_.publish(channel, bytes(arena_, place), length, seq) == fresh);
    if (fresh) {
      for (const uint32_t slot : members) expected_[{slot, channel}] += arena_.substr(place, length);
      if (seq != 0) last_seq_[channel] = seq;
    }
    at += length;
  }

  std::mt19937 random_;
  std::string arena_;
  std::map<uint32_t, uint32_t> at_;
  Hub hub_;
  Recorder sink_;
  std::map<uint32_t, std::set<uint32_t>> members_;
  std::map<uint32_t, uint64_t> last_seq_;
  std::map<std::pair<uint32_t, uint32_t>, std::string> expected_;
};

TEST_CASE("hub: random against sets", "[hub]") {
  for (uint32_t seed = 1; seed <= 5; ++seed) {
    Model model(seed);
    for (int step = 0; step < 5000; ++step) model.step();
  }
}

}  // namespace
}  // namespace sluice::hub
