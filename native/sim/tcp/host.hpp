#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tcp/tcp_driver.hpp"
#include "sim/tcp/heap_pool.hpp"
#include "sim/tcp/wire_segment.hpp"

namespace sluice::tcp::sim {

// What an application does with one stream, and what came of it.
struct App {
  std::string received;
  std::string to_send;       // not yet accepted
  uint64_t offered = 0;      // bytes that were ever to be sent
  bool echo = false;
  bool close_on_end = true;
  bool ended = false;
  bool connected = false;
  bool shut_when_sent = false;
  bool shut = false;
  bool waiting = false;      // for on_writable
  bool gone = false;         // closed by us
  int error = 0;
};

struct HostOptions {
  TcpOptions tcp;
  uint32_t packets = 4096;
  uint32_t room = 2048;
  uint16_t mtu = 1500;
  uint32_t blocks = 64;
  net::IpAddress address = v4(10, 0, 0, 1);
  uint64_t secret = 1;
  bool pieces = true;        // the device takes segments in two
};

// One machine: a driver, its memory, its applications and the layer below it, which hands segments to `output`.
class Host final : public net::IpLayer, public Reactor, public StreamSink, public ConnectSink {
 public:
  Host(const HostOptions& options, const uint64_t& now_us)
      : now_us_(now_us), mtu_(options.mtu), pieces_(options.pieces), address_(options.address), packets(options.packets, options.room),
        block_memory_(static_cast<size_t>(options.blocks) * 16'384), blocks(block_memory_.data(), 16'384, options.blocks) {
    TcpOptions tcp = options.tcp;
    if (tcp.capacity == 0) tcp.capacity = 64;
    capacity_ = tcp.capacity;
    std::string error;
    driver = TcpDriver::make(tcp, {this, this, &blocks, this, this, {options.secret, 77}}, error);
    SLUICE_ASSERT(driver != nullptr);
  }

  // What it sends, as its receiver would see it.
  std::function<void(WireSegment)> output;
  std::deque<WireSegment> inbox;
  bool refuse = false;
  bool echo = false;
  std::map<StreamId, App> apps;
  uint32_t accepted = 0;
  uint32_t notices = 0;
  StreamId last_accepted = kNoStream;

  App& app(StreamId id) { return apps[id]; }
  bool listen(uint16_t port) {
    std::string error;
    return driver->listen({"0.0.0.0", port, 16, false}, error);
  }
  // kNoStream where it could not even be tried.
  StreamId connect(const net::IpAddress& remote, uint16_t port, uint16_t local_port = 0) {
    const StreamId id = free_id();
    if (id == kNoStream) return id;
    apps[id] = App{};
    std::string error;
    if (driver->connect(id, {address_, remote, local_port, port}, error)) return id;
    apps[id].gone = true;
    return kNoStream;
  }
  void send(StreamId id, const std::string& bytes) {
    App& one = app(id);
    one.to_send += bytes;
    one.offered += bytes.size();
    if (!one.waiting) pump(id);
  }
  void shutdown(StreamId id) {
    app(id).shut_when_sent = true;
    pump(id);
  }
  void close(StreamId id, bool reset = false) {
    app(id).gone = true;
    driver->close(id, reset);
  }
  void pump(StreamId id) {
    App& one = app(id);
    if (one.gone || one.shut) return;
    if (!one.to_send.empty()) {
      const IoSlice slice{reinterpret_cast<const uint8_t*>(one.to_send.data()), static_cast<uint32_t>(one.to_send.size())};
      driver->write(id, &slice, 1);
    }
    if (one.to_send.empty() && one.shut_when_sent && !one.shut && !one.gone) {
      one.shut = true;
      driver->shutdown_send(id);
    }
  }
  // One turn, as a core makes it.
  uint32_t turn(uint32_t budget = 64) {
    const uint32_t handled = driver->poll(0, budget);
    for (auto& [id, one] : apps) {
      if (!one.waiting && !one.to_send.empty()) pump(id);
      if (one.to_send.empty() && one.shut_when_sent) pump(id);
    }
    driver->flush();
    driver->audit();
    return handled;
  }

  // IpLayer
  nic::PacketPool& pool() noexcept override { return packets; }
  bool transmitting(const nic::Packet* packet) const noexcept override {
    return std::find(held_.begin(), held_.end(), packet) != held_.end();
  }
  uint16_t mtu(const net::IpAddress&) const noexcept override { return mtu_; }
  bool is_local(const net::IpAddress& address) const noexcept override { return address == address_ || !address.is_v4(); }
  bool send(const net::Flow& flow, nic::Packet* packet, uint16_t header_bytes, net::Ecn ecn) override {
    SLUICE_ASSERT(header_bytes >= 20 && header_bytes <= packet->length);
    SLUICE_ASSERT(!transmitting(packet));
    WireSegment segment;
    segment.flow = reversed(flow);
    segment.ecn = ecn;
    for (const nic::Packet* piece = packet; piece != nullptr; piece = piece->next) {
      segment.bytes.insert(segment.bytes.end(), piece->data, piece->data + piece->length);
    }
    const uint32_t ip = flow.remote.is_v4() ? 20 : 40;
    SLUICE_ASSERT(segment.bytes.size() + ip <= mtu_);
    // As a real layer does: headers of its own in front.
    packet->push(static_cast<uint16_t>(ip));
    std::fill(packet->data, packet->data + ip, uint8_t{0xee});
    packet->push(14);
    if (hold_transmitted) {
      held_.push_back(packet);
      if (queue_transmitted) ++packet->waiting;
    } else {
      packets.unref_frame(packet);
    }
    ++sent_segments;
    if (output) output(std::move(segment));
    return true;
  }
  bool takes_pieces() const noexcept override { return pieces_; }
  void doubt(const net::IpAddress&) override {}
  void flush() override {}
  bool device_full() const noexcept override { return full; }
  uint32_t frames_waiting() const noexcept override { return waiting; }
  bool full = false;
  uint32_t waiting = 0;
  bool hold_transmitted = false;   // the device keeps what it was given,
  bool queue_transmitted = false;  // or has not even taken it
  void release_transmitted() {
    std::vector<nic::Packet*> held;
    held.swap(held_);
    for (nic::Packet* packet : held) {
      packet->waiting = 0;
      packets.unref_frame(packet);
    }
  }
  uint64_t sent_segments = 0;

  // Reactor
  uint64_t now_us() noexcept override { return now_us_; }
  uint32_t receive(uint32_t budget) override {
    std::vector<WireSegment> due;
    while (!inbox.empty() && inbox.front().due_us <= now_us_ && due.size() < budget) {
      due.push_back(std::move(inbox.front()));
      inbox.pop_front();
    }
    std::vector<net::Segment> segments;
    for (const WireSegment& one : due) {
      nic::Packet* const packet = packets.allocate(static_cast<uint32_t>(one.bytes.size()));
      if (packet == nullptr) continue;  // as a NIC without descriptors
      std::memcpy(packet->data, one.bytes.data(), one.bytes.size());
      packet->length = static_cast<uint16_t>(one.bytes.size());
      segments.push_back({&one.flow, packet, static_cast<uint16_t>(one.view().header_bytes()), one.payload_bytes(), one.ecn});
    }
    driver->on_segments(segments.data(), static_cast<uint32_t>(segments.size()));
    return static_cast<uint32_t>(due.size());
  }
  void wait(int64_t) override {}
  int wait_fd() const noexcept override { return -1; }
  void watch_doorbell(int) override {}
  bool reaches_us(const net::Flow&) const noexcept override { return true; }

  // StreamSink
  StreamId on_accept() override {
    if (refuse) return kNoStream;
    const StreamId id = free_id();
    if (id == kNoStream) return id;
    apps[id] = App{};
    apps[id].echo = echo;
    ++accepted;
    last_accepted = id;
    return id;
  }
  void on_data(StreamId id, uint8_t* data, uint32_t length) override {
    App& one = app(id);
    SLUICE_ASSERT(!one.gone && !one.ended && length != 0 && blocks.contains(data));
    one.received.append(reinterpret_cast<const char*>(data), length);
    if (one.echo) one.to_send.append(reinterpret_cast<const char*>(data), length);
  }
  void on_end(StreamId id) override {
    App& one = app(id);
    SLUICE_ASSERT(!one.gone && !one.ended);
    one.ended = true;
    if (one.close_on_end && one.to_send.empty()) close(id);
  }
  void on_written(StreamId id, uint32_t taken, uint32_t offered) override {
    App& one = app(id);
    SLUICE_ASSERT(taken <= offered && taken <= one.to_send.size());
    one.to_send.erase(0, taken);
    if (taken < offered) {
      one.waiting = true;
      driver->notify_writable(id);
    }
  }
  void on_writable(StreamId id) override {
    app(id).waiting = false;
    pump(id);
  }
  void on_error(StreamId id, int error) override {
    App& one = app(id);
    SLUICE_ASSERT(!one.gone && error != 0);
    one.error = error;
    one.gone = true;
  }
  void on_notice(NoticeKind, int) override { ++notices; }
  void on_connect(StreamId id) override { app(id).connected = true; }

 private:
  StreamId free_id() const {
    for (StreamId id = 0; id < capacity_; ++id) {
      const auto at = apps.find(id);
      if (at == apps.end() || at->second.gone) return id;
    }
    return kNoStream;
  }

  const uint64_t& now_us_;
  uint16_t mtu_;
  bool pieces_;
  net::IpAddress address_;
  uint32_t capacity_ = 0;
  std::vector<nic::Packet*> held_;

 public:
  HeapPool packets;

 private:
  std::vector<uint8_t> block_memory_;

 public:
  BlockPool blocks;
  std::unique_ptr<TcpDriver> driver;
};

}  // namespace sluice::tcp::sim
