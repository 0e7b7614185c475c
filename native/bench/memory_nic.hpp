#pragma once

#include <algorithm>
#include <cstring>
#include <vector>

#include "bench/tcp_world.hpp"
#include "nic/nic.hpp"
#include "wire/arp.hpp"
#include "wire/ethernet.hpp"
#include "wire/ipv4.hpp"

namespace sluice::bench {

// A device at whose other end is a router with clients behind it: frames are dropped as they come, questions for the router's address
// answered, and what clients say is written into packets beforehand. Client i has the address 10.128.0.0 + i.
class MemoryNic final : public nic::Nic {
 public:
  static constexpr uint8_t kMac[6] = {2, 0, 0, 0, 0, 1};
  static constexpr uint8_t kRouterMac[6] = {2, 0, 0, 0, 0, 2};
  static constexpr uint8_t kOwn[4] = {10, 9, 0, 1};
  static constexpr uint8_t kRouter[4] = {10, 9, 0, 2};
  static constexpr uint16_t kPort = 80;
  static constexpr uint32_t kHeaders = wire::EthernetView::kBytes + wire::Ipv4View::kMinBytes;

  explicit MemoryNic(uint32_t clients) : pool_(1u << 16, 2048), isn_(clients) {
    std::memcpy(capabilities_.mac.bytes, kMac, sizeof kMac);
    capabilities_.max_pieces = 16;
    capabilities_.rx_checksum = true;
    capabilities_.tx_l4_checksum = true;
  }

  // The server's first number for a client, once it has answered its SYN.
  uint32_t isn(uint32_t client) const noexcept { return isn_[client]; }

  // A segment without payload arrives with the next receive().
  void say(uint32_t client, uint32_t seq, uint32_t ack, uint8_t flags, uint32_t now_ms) {
    const bool syn = (flags & wire::kSyn) != 0;
    const uint8_t header = syn ? 40 : 32;
    nic::Packet* const packet = frame(kHeaders + header);
    uint8_t* const at = packet->data;
    uint8_t source[4];
    store_be32(source, 10u << 24 | 1u << 23 | client);
    wire::EthernetView::write(at, kMac, kRouterMac, wire::kTypeIpv4, 0);
    wire::Ipv4View::write(at + wire::EthernetView::kBytes, {.total_bytes = static_cast<uint16_t>(wire::Ipv4View::kMinBytes + header),
                                                            .protocol = wire::kProtocolTcp, .source = source, .target = kOwn});
    wire::TcpView::write(at + kHeaders, {40'000, kPort, seq, ack, 65'535, header, flags});
    wire::TcpOptionWriter options(at + kHeaders + wire::TcpView::kMinBytes);
    if (syn) {
      options.mss(1460);
      options.sack_permitted();
    }
    options.timestamp(now_ms, 0);
  }
  bool waits() const noexcept { return next_ != arriving_.size(); }

  const char* name() const noexcept override { return "memory"; }
  const nic::NicCapabilities& capabilities() const noexcept override { return capabilities_; }
  nic::PacketPool& pool() noexcept override { return pool_; }
  uint32_t receive(nic::Packet** frames, uint32_t max) noexcept override {
    const auto count = static_cast<uint32_t>(std::min<size_t>(max, arriving_.size() - next_));
    std::copy_n(arriving_.begin() + static_cast<ptrdiff_t>(next_), count, frames);
    next_ += count;
    if (!waits()) {
      arriving_.clear();
      next_ = 0;
    }
    return count;
  }
  uint32_t transmit(nic::Packet** frames, uint32_t count) noexcept override {
    for (uint32_t i = 0; i < count; ++i) {
      const uint8_t* const at = frames[i]->data;
      if (load_be16(at + 12) == wire::kTypeArp) answer(at);
      else if ((at[kHeaders + 13] & wire::kSyn) != 0) isn_[load_be32(at + kHeaders - 4) & 0x7fffff] = load_be32(at + kHeaders + 4);
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
  nic::Packet* frame(uint32_t bytes) {
    nic::Packet* const packet = pool_.allocate(bytes);
    SLUICE_ASSERT(packet != nullptr);
    packet->length = static_cast<uint16_t>(bytes);
    packet->flags = nic::kRxIpChecksumGood | nic::kRxL4ChecksumGood;
    packet->vlan = 0;
    packet->waiting = 0;
    arriving_.push_back(packet);
    return packet;
  }
  void answer(const uint8_t* at) {
    const auto asked = wire::ArpView::parse(at + wire::EthernetView::kBytes, wire::ArpView::kBytes);
    if (!asked || std::memcmp(asked->target_ip(), kRouter, sizeof kRouter) != 0) return;
    uint8_t* const reply = frame(wire::EthernetView::kBytes + wire::ArpView::kBytes)->data;
    wire::EthernetView::write(reply, kMac, kRouterMac, wire::kTypeArp, 0);
    wire::ArpView::write(reply + wire::EthernetView::kBytes, wire::ArpView::kReply, kRouterMac, kRouter, kMac, kOwn);
  }

  SlabPool pool_;
  nic::NicCapabilities capabilities_;
  nic::NicCounters counters_;
  std::vector<uint32_t> isn_;
  std::vector<nic::Packet*> arriving_;
  size_t next_ = 0;
};

}  // namespace sluice::bench
