#pragma once

#include <cstdint>
#include <vector>

#include "nic/nic.hpp"
#include "wiregen/settings.hpp"

namespace sluice::wiregen {

// Puts headers in front of payloads and hands the frames to the device in bursts.
class SegmentWriter {
 public:
  // Frames that may wait for the device. Who has half of that waiting should take nothing in until it is less.
  // A broadcast to a hundred thousand is acknowledged a hundred thousand times, to a server that is still busy with sending it.
  static constexpr size_t kBacklog = 131'072;

  struct Counters {
    uint64_t frames = 0;
    uint64_t bytes = 0;
    uint64_t dropped = 0;    // the device took no more for too long: retransmission makes up for it
    uint64_t no_packet = 0;  // the pool was empty
  };

  SegmentWriter(nic::Nic& nic, const Settings& settings);
  ~SegmentWriter();
  SegmentWriter(const SegmentWriter&) = delete;
  SegmentWriter& operator=(const SegmentWriter&) = delete;

  void server_mac(const uint8_t* mac) noexcept;

  struct Segment {
    uint32_t source_address;
    uint16_t source_port;
    uint16_t window;
    uint32_t seq;
    uint32_t ack;
    uint8_t flags;
    bool timestamps;         // of an established connection that agreed on them
    uint32_t stamp;
    uint32_t stamp_echo;
  };

  // A packet whose payload of at most `room` bytes the caller writes at payload(); null when there is none. send() takes it.
  nic::Packet* begin(uint32_t room) noexcept;
  uint8_t* payload(nic::Packet* packet, const Segment& segment) const noexcept;
  void send(nic::Packet* packet, const Segment& segment, uint32_t payload_bytes) noexcept;
  // A frame that is complete.
  void send_raw(nic::Packet* packet) noexcept { queue(packet); }

  void flush() noexcept;
  // Frames that the device did not take yet.
  size_t waiting() const noexcept { return backlog_.size() - sent_; }
  // Whether it took less than it was last offered.
  bool refused() const noexcept { return offer_ == kProbe; }
  const Counters& counters() const noexcept { return counters_; }
  nic::Nic& nic() noexcept { return nic_; }

 private:
  static constexpr size_t kBurst = 64;
  // What a full device refuses was prepared for nothing: behind a refusal so many frames ask whether there is room again.
  static constexpr size_t kProbe = 4;
  static constexpr uint32_t kEthernetIpMost = 14 + 40;

  uint32_t tcp_bytes(const Segment& segment) const noexcept;
  void write_options(uint8_t* at, const Segment& segment) const noexcept;
  uint32_t ethernet_ip() const noexcept { return settings_.ipv6 ? kEthernetIpMost : 14 + 20; }
  void write_ipv4(uint8_t* ip, const Segment& segment, uint32_t segment_bytes) const noexcept;
  void write_ipv6(uint8_t* ip, const Segment& segment, uint32_t segment_bytes) const noexcept;
  void checksum(nic::Packet* packet, uint32_t tcp_bytes, uint32_t segment_bytes) noexcept;
  void queue(nic::Packet* packet) noexcept;

  nic::Nic& nic_;
  const Settings& settings_;
  uint8_t template_[kEthernetIpMost] = {};
  bool ip_offload_;
  bool l4_offload_;
  std::vector<nic::Packet*> backlog_;
  size_t sent_ = 0;
  size_t flush_at_ = kBurst;  // when so many wait
  size_t offer_ = kBurst;
  Counters counters_;
};

}  // namespace sluice::wiregen
