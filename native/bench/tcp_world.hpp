#pragma once

#include <sys/mman.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "base/assert.hpp"
#include "base/bytes.hpp"
#include "base/clock.hpp"
#include "tcp/tcp_driver.hpp"
#include "wire/tcp.hpp"
#include "wire/tcp_options.hpp"

// What a benchmark of the TCP stack puts around it: memory for packets, a layer below that drops what it is given, and an
// application that echoes. Peers are numbers: peer i is 10.x.y.z with a port of its own.

namespace sluice::bench {

class SlabPool final : public nic::PacketPool {
 public:
  SlabPool(uint32_t count, uint32_t room) : stride_(sizeof(nic::Packet) + nic::kHeadroom + room), count_(count) {
    memory_ = static_cast<uint8_t*>(mmap(nullptr, bytes(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
    SLUICE_ASSERT(memory_ != MAP_FAILED);
    for (uint32_t i = count; i-- > 0;) {
      auto* const packet = reinterpret_cast<nic::Packet*>(memory_ + static_cast<uint64_t>(i) * stride_);
      packet->buffer = reinterpret_cast<uint8_t*>(packet) + sizeof(nic::Packet);
      packet->buffer_bytes = static_cast<uint16_t>(nic::kHeadroom + room);
      free_.push_back(packet);
    }
  }
  ~SlabPool() override { munmap(memory_, bytes()); }
  SlabPool(const SlabPool&) = delete;
  SlabPool& operator=(const SlabPool&) = delete;

  nic::Packet* allocate(uint32_t) noexcept override {
    if (free_.empty()) return nullptr;
    nic::Packet* const packet = free_.back();
    free_.pop_back();
    packet->next = nullptr;
    packet->data = packet->buffer + nic::kHeadroom;
    packet->length = 0;
    packet->references = 1;
    packet->flags = 0;
    return packet;
  }
  void unref(nic::Packet* packet) noexcept override {
    if (--packet->references == 0) free_.push_back(packet);
  }
  uint32_t free_count() const noexcept override { return static_cast<uint32_t>(free_.size()); }
  uint32_t room() const noexcept override { return stride_ - static_cast<uint32_t>(sizeof(nic::Packet)) - nic::kHeadroom; }
  uint32_t total_count() const noexcept override { return count_; }

 private:
  size_t bytes() const noexcept { return static_cast<size_t>(stride_) * count_; }

  uint32_t stride_;
  uint32_t count_;
  uint8_t* memory_;
  std::vector<nic::Packet*> free_;
};

class TcpWorld final : public net::IpLayer, public tcp::Reactor, public StreamSink {
 public:
  static constexpr uint32_t kMessage = 64;
  static constexpr uint32_t kBurst = 32;  // frames at a time, as from a device

  static tcp::TcpOptions options_for(uint32_t capacity) {
    tcp::TcpOptions options;
    options.capacity = capacity;
    options.orphans_max = 4096;
    options.time_wait_max = 1u << 16;
    options.half_open_per_address_max = 60'000;
    return options;
  }

  explicit TcpWorld(uint32_t capacity) : TcpWorld(options_for(capacity), capacity) {}
  // `peers`: one more than the greatest that opens anything.
  TcpWorld(const tcp::TcpOptions& options, uint32_t peers)
      : pool_(1u << 17, 1600), block_memory_(64u << 14), blocks_(block_memory_.data(), 1u << 14, 64), isn_(peers), free_ids_() {
    for (uint32_t i = options.capacity; i-- > 0;) free_ids_.push_back(i);
    echoes_.reserve(256);
    owned_ = make_driver(options, blocks_, *this);
  }
  // With another application, which is given the driver.
  TcpWorld(const tcp::TcpOptions& options, uint32_t peers, BlockPool& blocks, StreamSink& application)
      : pool_(1u << 17, 1600), block_memory_(1u << 14), blocks_(block_memory_.data(), 1u << 14, 1), isn_(peers) {
    owned_ = make_driver(options, blocks, application);
  }

  tcp::TcpDriver& driver() { return *driver_; }
  std::unique_ptr<tcp::TcpDriver> take_driver() { return std::move(owned_); }

  static net::Flow flow_of(uint32_t peer) {
    static constexpr uint8_t local[4] = {10, 255, 255, 1};
    uint8_t remote[4];
    store_be32(remote, 10u << 24 | (peer & 0xffffff));
    return {net::IpAddress::from_v4(local), net::IpAddress::from_v4(remote), 80, static_cast<uint16_t>(1024 + (peer >> 24))};
  }
  uint32_t initial(uint32_t peer) const { return isn_[peer]; }

  struct Said {
    uint32_t peer;
    uint32_t seq;
    uint32_t ack;
    uint8_t flags;
    uint16_t payload;
    uint16_t window = 65'535;
  };
  // Everything of `said` is to arrive; payloads are the beginning of `bytes`, where they are given.
  void announce(const std::vector<Said>& said, const char* bytes = nullptr) {
    said_ = said.data();
    left_ = said.size();
    bytes_ = bytes;
  }
  size_t left() const noexcept { return left_; }
  // It arrives in bursts, and the application has its turn after each.
  void arrive(const std::vector<Said>& said) {
    announce(said);
    while (left_ != 0) {
      driver_->poll(0, kBurst);
      serve();
    }
  }
  // One of a peer's acknowledgements, with SACK blocks.
  void arrive(const Said& said, const wire::SackBlock* blocks, uint32_t count) {
    sacks_ = blocks;
    block_count_ = count;
    said_ = &said;
    left_ = 1;
    driver_->poll(0, 1);
    block_count_ = 0;
  }
  void serve() {
    for (const StreamId id : echoes_) {
      const IoSlice slice{message_, kMessage};
      driver_->write(id, &slice, 1);
    }
    echoes_.clear();
    for (const StreamId id : ended_) {
      driver_->close(id, false);
      free_ids_.push_back(id);
    }
    ended_.clear();
    driver_->flush();
  }

  // The application closes all streams.
  void close_all() {
    for (const StreamId id : open_) {
      driver_->close(id, false);
      free_ids_.push_back(id);
    }
    open_.clear();
    driver_->flush();
  }
  uint32_t packets_held() const noexcept { return pool_.total_count() - pool_.free_count(); }
  void write_to(StreamId id, uint32_t bytes) {
    static const std::vector<uint8_t> zeros(1u << 20);
    const IoSlice slice{zeros.data(), bytes};
    driver_->write(id, &slice, 1);
  }

  // IpLayer
  nic::PacketPool& pool() noexcept override { return pool_; }
  bool transmitting(const nic::Packet*) const noexcept override { return false; }
  uint16_t mtu(const net::IpAddress&) const noexcept override { return 1500; }
  bool is_local(const net::IpAddress&) const noexcept override { return true; }
  bool send(const net::Flow& flow, nic::Packet* packet, uint16_t, net::Ecn) override {
    ++sent;
    const auto view = wire::TcpView::parse(packet->data, packet->length);
    if ((view->flags() & wire::kSyn) != 0) {
      const uint8_t* const remote = flow.remote.v4();
      const uint32_t peer = static_cast<uint32_t>(flow.remote_port - 1024) << 24 | static_cast<uint32_t>(remote[1]) << 16 |
                            static_cast<uint32_t>(remote[2]) << 8 | remote[3];
      isn_[peer] = view->seq();
    }
    pool_.unref_frame(packet);
    return true;
  }
  void doubt(const net::IpAddress&) override {}
  void flush() override {}

  // Reactor
  uint64_t now_us() noexcept override { return clock_us != 0 ? clock_us : monotonic_us(); }
  uint32_t receive(uint32_t budget) override {
    uint32_t total = 0;
    while (total < budget && left_ != 0) total += receive_burst(std::min(budget - total, kBurst));
    return total;
  }
  uint32_t receive_burst(uint32_t most) {
    net::Segment segments[kBurst];
    net::Flow flows[kBurst];
    uint32_t count = 0;
    for (; count < most && left_ != 0; ++count, --left_, ++said_) {
      flows[count] = flow_of(said_->peer);
      segments[count] = {&flows[count], frame(*said_, flows[count]), 0, said_->payload, net::Ecn::kNotCapable};
      segments[count].header_bytes = header_of(*said_);
    }
    driver_->on_segments(segments, count);
    return count;
  }
  void wait(int64_t) override {}
  int wait_fd() const noexcept override { return -1; }
  void watch_doorbell(int) override {}
  bool reaches_us(const net::Flow&) const noexcept override { return true; }

  // StreamSink
  StreamId on_accept() override {
    const StreamId id = free_ids_.back();
    free_ids_.pop_back();
    if (keep_streams) open_.push_back(id);
    return id;
  }
  void on_data(StreamId id, uint8_t* data, uint32_t) override {
    std::memcpy(message_, data, kMessage);
    echoes_.push_back(id);
  }
  void on_end(StreamId id) override { ended_.push_back(id); }
  void on_written(StreamId, uint32_t accepted, uint32_t offered) override { refused += offered - accepted; }
  void on_writable(StreamId) override {}
  void on_error(StreamId id, int) override {
    ++broken;
    free_ids_.push_back(id);
  }
  void on_notice(NoticeKind, int) override {}

  uint64_t sent = 0;
  bool keep_streams = false;  // for close_all()
  uint8_t window_shift = 0;   // of all peers; 0: none is offered
  uint64_t refused = 0;   // bytes that write() did not take
  uint64_t broken = 0;    // connections that the stack gave up
  uint64_t clock_us = 0;  // 0: the machine's

 private:
  std::unique_ptr<tcp::TcpDriver> make_driver(const tcp::TcpOptions& options, BlockPool& blocks, StreamSink& application) {
    std::string error;
    auto driver = tcp::TcpDriver::make(options, {this, this, &blocks, &application, nullptr, {1, 2}}, error);
    SLUICE_ASSERT(driver != nullptr && driver->listen({"0.0.0.0", 80, 16, false}, error));
    driver_ = driver.get();
    return driver;
  }

  uint8_t header_of(const Said& said) const noexcept {
    if ((said.flags & wire::kSyn) != 0) return window_shift != 0 ? 44 : 40;
    return static_cast<uint8_t>(32 + (block_count_ != 0 ? 4 + 8 * block_count_ : 0));
  }
  nic::Packet* frame(const Said& said, const net::Flow& flow) noexcept {
    nic::Packet* const packet = pool_.allocate(0);
    SLUICE_ASSERT(packet != nullptr);
    const bool syn = (said.flags & wire::kSyn) != 0;
    const uint8_t header = header_of(said);
    wire::TcpView::write(packet->data, {flow.remote_port, flow.local_port, said.seq, said.ack, said.window, header, said.flags});
    wire::TcpOptionWriter options(packet->data + 20);
    if (syn) {
      options.mss(1460);
      options.sack_permitted();
      options.timestamp(static_cast<uint32_t>(now_us() / 1000), 0);
      if (window_shift != 0) options.window_shift(window_shift);
    } else {
      options.timestamp(static_cast<uint32_t>(now_us() / 1000), 0);
      if (block_count_ != 0) options.sacks(sacks_, block_count_);
    }
    if (bytes_ != nullptr) {
      std::memcpy(packet->data + header, bytes_, said.payload);
    } else {
      std::memset(packet->data + header, 'x', said.payload);
    }
    packet->length = static_cast<uint16_t>(header + said.payload);
    return packet;
  }

  SlabPool pool_;
  std::vector<uint8_t> block_memory_;
  BlockPool blocks_;
  std::vector<uint32_t> isn_;
  std::vector<StreamId> free_ids_;
  std::vector<StreamId> open_;
  std::vector<StreamId> echoes_;
  std::vector<StreamId> ended_;
  uint8_t message_[kMessage] = {};
  const Said* said_ = nullptr;
  size_t left_ = 0;
  const char* bytes_ = nullptr;
  const wire::SackBlock* sacks_ = nullptr;
  uint32_t block_count_ = 0;
  tcp::TcpDriver* driver_ = nullptr;
  std::unique_ptr<tcp::TcpDriver> owned_;
};

}  // namespace sluice::bench
