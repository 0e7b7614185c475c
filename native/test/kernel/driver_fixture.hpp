#pragma once

#include <catch2/catch.hpp>
#include <chrono>
#include <cstdio>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "kernel/epoll_driver.hpp"
#include "kernel/factory.hpp"
#include "kernel/uring_driver.hpp"

namespace sluice::test {

// A driver as it is to be tested: epoll, io_uring with all that this kernel has, and io_uring as older kernels have it.
struct Variant {
  const char* name;
  bool uring = false;
  std::function<void(UringProbe&)> without = [](UringProbe&) {};
  UringDriver::Sizes sizes{};
};

inline const std::vector<Variant>& variants() {
  static const std::vector<Variant> all{
      {"epoll"},
      {"uring", true},
      {"uring with a buffer for each receive", true, [](UringProbe& probe) { probe.incremental_buffers = false; }},
      {"uring with a completion for each send", true, [](UringProbe& probe) { probe.silent_sends = false; }},
      {"uring with cooperative task work", true, [](UringProbe& probe) { probe.defer_taskrun = false; }},
      {"uring of 6.0", true,
       [](UringProbe& probe) { probe.incremental_buffers = probe.defer_taskrun = probe.single_issuer = probe.coop_taskrun = false; }},
      {"uring with tiny queues", true, [](UringProbe&) {}, {4, 8}},
  };
  return all;
}

// The sink of a driver: notes everything that it is told and does what a test hooks in.
class DriverFixture final : public StreamSink {
 public:
  static constexpr uint32_t kCapacity = 1024;

  struct Stream {
    std::string received;
    bool ended = false;
    int error = 0;
    uint64_t accepted = 0;
    uint32_t writes_done = 0;
    uint32_t writable = 0;
    bool open = true;
  };

  explicit DriverFixture(const Variant& variant, uint32_t blocks = 64, uint32_t block_bytes = 8192)
      : memory_(static_cast<size_t>(blocks) * block_bytes), pool(memory_.data(), block_bytes, blocks) {
    KernelDriverOptions options{kCapacity, &pool, this};
    std::string error;
    if (!variant.uring) {
      driver = EpollDriver::make(options, error);
    } else if (!probe_uring().usable) {
      std::printf("SKIPPED: %s: %s\n", variant.name, probe_uring().reason.c_str());
      return;
    } else {
      UringProbe probe = probe_uring();
      variant.without(probe);
      driver = UringDriver::make(options, probe, variant.sizes, error);
    }
    INFO(error);
    REQUIRE(driver);
    listen();
  }

  // False where the machine lacks io_uring.
  bool usable() const { return driver != nullptr; }
  uint16_t port() const { return driver->bound_port(); }

  // Runs the driver until `done`, at most a minute.
  template <typename Done>
  bool run_until(Done&& done, uint32_t budget = 256) {
    using Clock = std::chrono::steady_clock;
    const auto deadline = Clock::now() + std::chrono::seconds(60);
    while (!done()) {
      if (Clock::now() > deadline) return false;
      turn(1'000, budget);
    }
    return true;
  }
  uint32_t turn(int64_t timeout_us, uint32_t budget = 256) {
    const uint32_t handled = driver->poll(timeout_us, budget);
    driver->flush();
    return handled;
  }
  void run_for(uint32_t ms) {
    using Clock = std::chrono::steady_clock;
    const auto end = Clock::now() + std::chrono::milliseconds(ms);
    while (Clock::now() < end) turn(1'000);
  }

  // The stream of the next peer that connects.
  StreamId accept_one() {
    const uint32_t before = accepted;
    REQUIRE(run_until([&] { return accepted == before + 1; }));
    return newest;
  }

  Stream& operator[](StreamId id) { return streams.at(id); }

  void write(StreamId id, const std::string& bytes) {
    // As the driver may: the bytes stay where they are until they are taken.
    outgoing_.push_back(std::make_unique<std::string>(bytes));
    const IoSlice slice{reinterpret_cast<const uint8_t*>(outgoing_.back()->data()), static_cast<uint32_t>(bytes.size())};
    driver->write(id, &slice, 1);
  }
  void close(StreamId id, bool reset) {
    streams.at(id).open = false;
    driver->close(id, reset);
  }
  // Gives all blocks back that were kept by `hold`.
  void let_go() {
    for (const uint32_t block : held) pool.unref(block);
    held.clear();
  }
  uint32_t notices(NoticeKind kind) const {
    uint32_t count = 0;
    for (const NoticeKind told : notices_) count += told == kind ? 1 : 0;
    return count;
  }

  // StreamSink
  StreamId on_accept() override {
    if (refuse) return kNoStream;
    StreamId id = 0;
    while (streams.count(id) != 0 && streams.at(id).open) ++id;
    streams[id] = Stream{};
    newest = id;
    ++accepted;
    return id;
  }
  void on_data(StreamId id, uint8_t* data, uint32_t length) override {
    CHECK(alive(id));
    CHECK(pool.contains(data));
    CHECK(pool.contains(data + length - 1));
    CHECK(pool.block_of(data) == pool.block_of(data + length - 1));
    streams[id].received.append(reinterpret_cast<char*>(data), length);
    ++receives;
    if (hold) {
      held.push_back(pool.block_of(data));
      pool.ref(held.back());
    }
    if (data_hook) data_hook(id);
  }
  void on_end(StreamId id) override {
    CHECK(alive(id));
    CHECK(!streams[id].ended);
    streams[id].ended = true;
    if (end_hook) end_hook(id);
  }
  void on_written(StreamId id, uint32_t taken, uint32_t offered) override {
    CHECK(alive(id));
    CHECK(taken <= offered);
    streams[id].accepted += taken;
    ++streams[id].writes_done;
    if (written_hook) written_hook(id, taken, offered);
  }
  void on_writable(StreamId id) override {
    CHECK(alive(id));
    ++streams[id].writable;
    if (writable_hook) writable_hook(id);
  }
  void on_error(StreamId id, int error) override {
    CHECK(alive(id));
    streams[id].error = error;
    streams[id].open = false;
  }
  void on_notice(NoticeKind kind, int) override { notices_.push_back(kind); }

  std::map<StreamId, Stream> streams;
  std::vector<uint32_t> held;
  StreamId newest = kNoStream;
  uint32_t accepted = 0;
  uint32_t receives = 0;
  bool refuse = false;
  bool hold = false;
  std::function<void(StreamId)> data_hook;
  std::function<void(StreamId)> end_hook;
  std::function<void(StreamId, uint32_t, uint32_t)> written_hook;
  std::function<void(StreamId)> writable_hook;

 private:
  std::vector<uint8_t> memory_;
  std::vector<NoticeKind> notices_;
  std::vector<std::unique_ptr<std::string>> outgoing_;

  bool alive(StreamId id) const { return streams.count(id) != 0 && streams.at(id).open; }

  void listen() {
    ListenOptions options;
    options.address = "127.0.0.1";
    std::string error;
    INFO(error);
    REQUIRE(driver->listen(options, error));
  }

 public:
  // Behind what it refers to: goes first.
  BlockPool pool;
  std::unique_ptr<StreamDriver> driver;
};

}  // namespace sluice::test
