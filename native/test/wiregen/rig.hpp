#pragma once

#include <cstdint>
#include <algorithm>
#include <cstring>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "base/bytes.hpp"
#include "wire/arp.hpp"
#include "wire/ethernet.hpp"
#include "wire/ipv4.hpp"
#include "wire/tcp.hpp"
#include "wire/tcp_options.hpp"
#include "wiregen/generator.hpp"
#include "wiregen/heap_pool.hpp"

// A namespace of its own: other tests have peers too, and all are one program.
namespace sluice::test::clients {

using Bytes = std::string;

// A device whose other end is the test.
class MemoryNic final : public nic::Nic {
 public:
  MemoryNic() { capabilities_.mac = {{2, 0, 0, 0, 0, 1}}; }

  const char* name() const noexcept override { return "memory"; }
  const nic::NicCapabilities& capabilities() const noexcept override { return capabilities_; }
  nic::PacketPool& pool() noexcept override { return pool_; }
  uint32_t receive(nic::Packet** frames, uint32_t max) noexcept override {
    uint32_t count = 0;
    for (; count < max && !incoming.empty(); incoming.pop_front()) {
      nic::Packet* packet = pool_.allocate(1800);
      if (packet == nullptr) break;
      std::memcpy(packet->data, incoming.front().data(), incoming.front().size());
      packet->length = static_cast<uint16_t>(incoming.front().size());
      frames[count++] = packet;
    }
    return count;
  }
  uint32_t transmit(nic::Packet** frames, uint32_t count) noexcept override {
    offered += count;
    if (full) return 0;
    count = std::min(count, room);
    for (uint32_t i = 0; i < count; ++i) {
      outgoing.emplace_back(reinterpret_cast<const char*>(frames[i]->data), frames[i]->length);
      pool_.unref_frame(frames[i]);
    }
    return count;
  }
  bool transmitting(const nic::Packet*) const noexcept override { return false; }
  bool link_up() noexcept override { return true; }
  bool arm() noexcept override { return false; }
  int wait_fd() const noexcept override { return -1; }
  const nic::NicCounters& counters() noexcept override { return counters_; }

  std::deque<Bytes> incoming;
  std::deque<Bytes> outgoing;
  bool full = false;
  uint32_t room = UINT32_MAX;  // frames that one call takes
  uint64_t offered = 0;        // frames of all calls

 private:
  wiregen::HeapPool pool_{4096};
  nic::NicCapabilities capabilities_;
  nic::NicCounters counters_;
};

// A segment as the test sees it.
struct Wire {
  uint32_t address = 0;  // the client's
  uint16_t port = 0;
  uint32_t seq = 0;
  uint32_t ack = 0;
  uint16_t window = 65535;
  uint8_t flags = 0;
  Bytes options;
  Bytes payload;

  bool is(uint8_t exactly) const noexcept { return flags == exactly; }
  bool has(uint8_t bits) const noexcept { return (flags & bits) == bits; }
};

inline constexpr uint32_t kServerAddress = 0x0a5a0001;  // 10.90.0.1
inline constexpr uint16_t kServerPort = 9000;

// Takes a frame of the generator apart with both checksums verified; false where it is no TCP.
inline bool decode(Bytes& frame, Wire& out) {
  auto* data = reinterpret_cast<uint8_t*>(frame.data());
  const auto ethernet = wire::EthernetView::parse(data, static_cast<uint32_t>(frame.size()));
  if (!ethernet || ethernet->type() != wire::kTypeIpv4) return false;
  const auto ip = wire::Ipv4View::parse(data + 14, static_cast<uint32_t>(frame.size() - 14));
  if (!ip || !ip->checksum_good() || load_be32(ip->target()) != kServerAddress) return false;
  wire::Checksum sum;
  wire::add_pseudo_header_v4(sum, ip->source(), ip->target(), 6, static_cast<uint16_t>(ip->payload_bytes()));
  sum.add(ip->payload(), ip->payload_bytes());
  const auto tcp = wire::TcpView::parse(ip->payload(), ip->payload_bytes());
  if (!tcp || !sum.good() || tcp->target_port() != kServerPort) return false;
  out = {load_be32(ip->source()), tcp->source_port(), tcp->seq(), tcp->ack(), tcp->window(), tcp->flags(), {}, {}};
  out.options.assign(reinterpret_cast<const char*>(tcp->options()), tcp->options_bytes());
  out.payload.assign(reinterpret_cast<const char*>(ip->payload() + tcp->header_bytes()), ip->payload_bytes() - tcp->header_bytes());
  return true;
}

// The server's segment as a frame. `options` is a multiple of four bytes.
inline Bytes encode(const Wire& segment) {
  const uint32_t header = 20 + static_cast<uint32_t>(segment.options.size());
  const uint32_t total = 20 + header + static_cast<uint32_t>(segment.payload.size());
  Bytes frame(14 + total, '\0');
  auto* at = reinterpret_cast<uint8_t*>(frame.data());
  const uint8_t mac[6] = {2, 0, 0, 0, 0, 9};
  wire::EthernetView::write(at, mac, mac, wire::kTypeIpv4, 0);
  uint8_t source[4];
  uint8_t target[4];
  store_be32(source, kServerAddress);
  store_be32(target, segment.address);
  wire::Ipv4View::write(at + 14, {.total_bytes = static_cast<uint16_t>(total), .protocol = 6, .source = source, .target = target});
  uint8_t* tcp = at + 34;
  const auto header_bytes = static_cast<uint8_t>(header);
  wire::TcpView::write(tcp, {kServerPort, segment.port, segment.seq, segment.ack, segment.window, header_bytes, segment.flags});
  std::memcpy(tcp + 20, segment.options.data(), segment.options.size());
  std::memcpy(tcp + header, segment.payload.data(), segment.payload.size());
  wire::Checksum sum;
  wire::add_pseudo_header_v4(sum, source, target, 6, static_cast<uint16_t>(total - 20));
  sum.add(tcp, total - 20);
  wire::store_checksum(tcp + 16, sum.finish());
  return frame;
}

// A generator on a device of memory and on time that the test moves.
class Rig {
 public:
  // `lines`: behind server and clients. The server's MAC is given, so that no ARP stands in the way.
  explicit Rig(const std::string& lines, const std::string& server = "", const std::string& clients = "count=1") {
    now_ns() = 1'000'000'000;
    const std::string head = "server address=10.90.0.1:9000 mac=02:00:00:00:00:09 " + server + '\n' +
                             "clients network=10.91.0.0/16 " + clients + '\n';
    scenario_.settings.seed = 7;
    mistake = wiregen::read_scenario(head + lines, scenario_);
    if (!mistake.empty()) return;
    generator = std::make_unique<wiregen::Generator>(nic, scenario_, &Rig::clock, std::vector<int>{});
    generator->start(mistake);
    generator->turn();
  }

  // Turns the loop for so long, a millisecond at a time; segments it sent are in sent().
  void run(uint32_t ms = 1) {
    for (uint32_t i = 0; i < ms; ++i) {
      now_ns() += 1'000'000;
      running = generator->turn();
    }
  }
  // What the generator has sent since the last call.
  std::vector<Wire> sent() {
    std::vector<Wire> out;
    for (; !nic.outgoing.empty(); nic.outgoing.pop_front()) {
      Wire segment;
      if (decode(nic.outgoing.front(), segment)) out.push_back(std::move(segment));
    }
    return out;
  }
  void give(const Wire& segment) { nic.incoming.push_back(encode(segment)); }
  const std::string& failure() const { return generator->failure(); }

  static uint64_t& now_ns() {
    static uint64_t now;
    return now;
  }
  static uint64_t clock() { return now_ns(); }

  MemoryNic nic;
  std::string mistake;
  bool running = true;

 private:
  wiregen::Scenario scenario_;

 public:
  std::unique_ptr<wiregen::Generator> generator;
};

}  // namespace sluice::test::clients
