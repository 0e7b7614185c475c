#pragma once

#include <unistd.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "core/core.hpp"
#include "test/support/fake_driver.hpp"
#include "test/ws/frame_fixture.hpp"
#include "test/ws/upgrade_fixture.hpp"

namespace sluice::test {

// An event with a copy of its bytes.
struct CoreEvent {
  queue::Record record;
  std::string bytes;

  queue::EventType type() const { return static_cast<queue::EventType>(record.type); }
};

struct ServerFrame {
  uint8_t opcode;
  std::string payload;

  bool operator==(const ServerFrame&) const = default;
  uint16_t code() const {
    if (payload.size() < 2) return ws::kCloseNoStatus;
    return static_cast<uint16_t>(static_cast<uint8_t>(payload[0]) << 8 | static_cast<uint8_t>(payload[1]));
  }
};

// Whole frames in what the server wrote behind its answer to the handshake; it must have written nothing else.
inline std::vector<ServerFrame> server_frames(const std::string& written) {
  std::vector<ServerFrame> frames;
  const size_t head = written.find("\r\n\r\n");
  REQUIRE(head != std::string::npos);
  for (size_t at = head + 4; at < written.size();) {
    const auto byte = [&](size_t i) { return static_cast<uint8_t>(written.at(at + i)); };
    REQUIRE((byte(0) & 0xf0) == 0x80);
    uint64_t length = byte(1);
    REQUIRE(length < 128);
    size_t header = 2;
    if (length >= 126) {
      const size_t count = length == 126 ? 2 : 8;
      length = 0;
      for (size_t i = 0; i < count; ++i) length = length << 8 | byte(header + i);
      header += count;
    }
    REQUIRE(written.size() - at >= header + length);
    frames.push_back({static_cast<uint8_t>(byte(0) & 0x0f), written.substr(at + header, length)});
    at += header + length;
  }
  return frames;
}

// A whole frame as the control plane makes it.
inline std::string server_text(const std::string& payload) {
  uint8_t header[ws::kMaxServerHeader];
  const uint32_t length = ws::write_frame_header(header, ws::Opcode::kText, payload.size());
  return std::string(reinterpret_cast<const char*>(header), length) + payload;
}

inline queue::RegionOptions small_region() {
  static uint32_t next = 0;
  queue::RegionOptions options;
  options.name = "core-test-" + std::to_string(getpid()) + "-" + std::to_string(next++);
  options.connections_per_core = 64;
  options.event_records = 64;
  options.command_records = 64;
  options.command_data_bytes = 1u << 20;
  options.receive_block_bytes = 4096;
  options.receive_blocks = 16;
  options.assembly_bytes = 1u << 20;
  options.arena_chunk_bytes = 1u << 20;
  options.arena_chunks = 2;
  return options;
}

using Peer = std::shared_ptr<FakePeer>;

// A core on a fake driver, and the control plane's ends of its rings.
class CoreFixture {
 public:
  // `answers`: bytes of answers that its driver takes at once.
  explicit CoreFixture(const core::CoreOptions& options = {}, const queue::RegionOptions& sizes = small_region(), uint32_t answers = 0) {
    std::string error;
    region_ = queue::Region::create(sizes, error);
    INFO(error);
    REQUIRE(region_);
    core_ = std::make_unique<core::Core>(*region_, 0, options);
    auto driver = std::make_unique<FakeDriver>(core_->blocks(), *core_);
    driver_ = driver.get();
    driver_->answers = answers;
    core_->attach(std::move(driver));
    events_ = std::make_unique<queue::RingConsumer>(ring(queue::kSectionEventRing), records(queue::kSectionEventRing), sizes.event_records);
    commands_ = std::make_unique<queue::RingProducer>(ring(queue::kSectionCommandRing), records(queue::kSectionCommandRing),
                                                      sizes.command_records);
  }

  core::Core& core() { return *core_; }
  FakeDriver& driver() { return *driver_; }
  queue::Region& region() { return *region_; }
  queue::RingProducer& commands() { return *commands_; }
  uint64_t counter(queue::Counter which) { return core_->counters().get(which); }

  // ---- turns ----

  void turn(int count = 1) {
    for (int i = 0; i < count; ++i) {
      static_cast<void>(core_->receive(0));
      if (!hold_events) take_events();
      static_cast<void>(commands_->publish());
      bool reader_waits = false;
      core_->transmit(reader_waits);
    }
  }

  // Real time passes: timeouts are in milliseconds.
  bool turn_until(const std::function<bool()>& done, int timeout_ms = 60'000) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(timeout_ms);
    while (std::chrono::steady_clock::now() < end) {
      turn();
      if (done()) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    return false;
  }

  // Reads at most `limit` events and gives them back to the core.
  uint32_t take_events(uint32_t limit = UINT32_MAX) {
    const uint32_t count = std::min(events_->available(), limit);
    for (uint32_t i = 0; i < count; ++i) {
      const queue::Record record = events_->peek(i);
      CoreEvent event{record, ""};
      const bool has_bytes = record.type == queue::kEventOpen || record.type == queue::kEventMessage || record.type == queue::kEventClose;
      if (has_bytes && record.length != 0) {
        const uint8_t* data = region_->payload(record.address, record.length);
        REQUIRE(data != nullptr);
        event.bytes.assign(reinterpret_cast<const char*>(data), record.length);
      }
      events.push_back(event);
    }
    if (count != 0) push({queue::kCommandConfirm, 0, 0, 0, 0, 0, 0, events_->position(), count, 0});
    events_->advance(count);
    return count;
  }

  std::vector<CoreEvent> events_of(queue::EventType type) const {
    std::vector<CoreEvent> out;
    for (const CoreEvent& event : events) {
      if (event.type() == type) out.push_back(event);
    }
    return out;
  }
  std::vector<std::string> messages() const {
    std::vector<std::string> out;
    for (const CoreEvent& event : events_of(queue::kEventMessage)) out.push_back(event.bytes);
    return out;
  }
  // Codes of the close events so far.
  std::vector<uint16_t> close_codes() const {
    std::vector<uint16_t> out;
    for (const CoreEvent& event : events_of(queue::kEventClose)) out.push_back(event.record.code);
    return out;
  }

  // ---- peers ----

  // A connection whose upgrade is done.
  Peer open(const std::string& lines = "") {
    Peer peer = driver_->connect();
    peer->send(ws::test::handshake(lines));
    turn();
    REQUIRE(peer->written.compare(0, 13, "HTTP/1.1 101 ") == 0);
    return peer;
  }
  const core::ConnectionRow& row(const Peer& peer) { return core_->row(peer->id); }
  uint32_t generation(const Peer& peer) { return row(peer).generation; }

  // ---- commands ----

  queue::Record command(queue::CommandType type, const Peer& peer, uint16_t code = 0, uint32_t a = 0) {
    return {static_cast<uint8_t>(type), 0, code, peer->id, generation(peer), 0, 0, a, 0, 0};
  }
  void push(const queue::Record& record) {
    queue::Record* place = commands_->try_claim();
    REQUIRE(place != nullptr);
    *place = record;
  }
  // With bytes in the command data ring.
  void push(queue::Record record, const std::string& bytes) {
    const queue::Section& data = region_->section(queue::kSectionCommandData, 0);
    const auto size = static_cast<uint32_t>(data.size);
    if (data_head_ % size + bytes.size() > size) data_head_ += size - data_head_ % size;
    record.address = static_cast<uint32_t>(data.offset) + data_head_ % size;
    record.length = static_cast<uint32_t>(bytes.size());
    std::memcpy(region_->base() + record.address, bytes.data(), bytes.size());
    data_head_ += record.length;
    record.flags |= queue::kFlagData;
    record.c = data_head_;
    push(record);
  }
  void send(const Peer& peer, const std::string& payload) {
    queue::Record record = command(queue::kCommandSend, peer);
    record.flags = queue::kFlagText;
    push(record, payload);
  }
  void close(const Peer& peer, uint16_t code, const std::string& reason = "") { push(command(queue::kCommandClose, peer, code), reason); }
  void subscribe(const Peer& peer, uint32_t channel) { push(command(queue::kCommandSubscribe, peer, 0, channel)); }
  void release(const Peer& peer) { push(command(queue::kCommandRelease, peer)); }
  // Frames in the arena: `at` says where in it.
  void publish(uint32_t channel, uint64_t seq, const std::string& frames, uint32_t at) {
    const auto address = static_cast<uint32_t>(region_->section(queue::kSectionArena, queue::kSharedCore).offset) + at;
    const auto length = static_cast<uint32_t>(frames.size());
    std::memcpy(region_->base() + address, frames.data(), frames.size());
    push({queue::kCommandPublish, 0, 0, 0, 0, address, length, channel, static_cast<uint32_t>(seq), static_cast<uint32_t>(seq >> 32)});
  }
  // Where the next event will be.
  uint32_t event_position() { return ring(queue::kSectionEventRing)->head.load(); }
  uint32_t command_data_tail() { return commands_->header()->data_tail.load(); }
  uint32_t command_data_head() const { return data_head_; }

  // ---- the end ----

  // Every announced connection was told closed and is released; nothing of any of them is left.
  void check_all_free() {
    hold_events = false;
    turn(3);
    for (const CoreEvent& event : events_of(queue::kEventClose)) {
      push({queue::kCommandRelease, 0, 0, event.record.slot, event.record.generation, 0, 0, 0, 0, 0});
      turn();
    }
    CHECK(events_of(queue::kEventOpen).size() == events_of(queue::kEventClose).size());
    const uint64_t published = counter(queue::Counter::turns);
    REQUIRE(turn_until([&] { return counter(queue::Counter::turns) > published; }));
    CHECK(core_->blocks().free_count() == core_->blocks().count());
    CHECK(counter(queue::Counter::receive_blocks_held) == 0);
    CHECK(counter(queue::Counter::assembly_bytes) == 0);
    CHECK(counter(queue::Counter::send_queue_bytes) == 0);
    CHECK(counter(queue::Counter::connections_open) == 0);
    CHECK(driver_->violations == 0);
    CHECK_FALSE(core_->corrupted());
    for (uint32_t slot = 0; slot < core_->capacity(); ++slot) CHECK(core_->row(slot).state == core::ConnectionState::kFree);
  }

  // Events stay in the ring until it is false again.
  bool hold_events = false;
  std::vector<CoreEvent> events;

 private:
  queue::RingHeader* ring(queue::SectionKind kind) { return reinterpret_cast<queue::RingHeader*>(region_->data(kind, 0)); }
  queue::Record* records(queue::SectionKind kind) { return reinterpret_cast<queue::Record*>(ring(kind) + 1); }

  std::unique_ptr<queue::Region> region_;
  std::unique_ptr<core::Core> core_;
  FakeDriver* driver_ = nullptr;
  std::unique_ptr<queue::RingConsumer> events_;
  std::unique_ptr<queue::RingProducer> commands_;
  uint32_t data_head_ = 0;
};

}  // namespace sluice::test
