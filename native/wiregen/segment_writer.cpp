#include "wiregen/segment_writer.hpp"

#include <algorithm>
#include <cstring>

#include "base/bytes.hpp"
#include "wire/checksum.hpp"
#include "wire/ethernet.hpp"
#include "wire/ipv4.hpp"
#include "wire/ipv6.hpp"
#include "wire/tcp.hpp"
#include "wire/tcp_options.hpp"

namespace sluice::wiregen {

SegmentWriter::SegmentWriter(nic::Nic& nic, const Settings& settings) : nic_(nic), settings_(settings) {
  const nic::NicCapabilities& able = nic.capabilities();
  ip_offload_ = able.tx_ip_checksum;
  l4_offload_ = able.tx_l4_checksum;
  wire::EthernetView::write(template_, settings.server_mac, able.mac.bytes, settings.ipv6 ? wire::kTypeIpv6 : wire::kTypeIpv4, 0);
  uint8_t* const ip = template_ + wire::EthernetView::kBytes;
  uint8_t source[16] = {};
  uint8_t target[16];
  if (settings.ipv6) {
    std::memcpy(source, settings.client_prefix, sizeof settings.client_prefix);
    std::memcpy(target, settings.server_prefix, sizeof settings.server_prefix);
    store_be32(target + 12, settings.server_address);
    wire::Ipv6View::write(ip, {.payload_bytes = 0, .next_header = wire::kProtocolTcp, .source = source, .target = target});
  } else {
    store_be32(target, settings.server_address);
    wire::Ipv4View::write(ip, {.total_bytes = 0, .protocol = wire::kProtocolTcp, .source = source, .target = target});
  }
  backlog_.reserve(kBacklog);
}

SegmentWriter::~SegmentWriter() {
  for (; sent_ < backlog_.size(); ++sent_) nic_.pool().unref_frame(backlog_[sent_]);
}

void SegmentWriter::server_mac(const uint8_t* mac) noexcept { std::memcpy(template_, mac, wire::kMacBytes); }

uint32_t SegmentWriter::tcp_bytes(const Segment& segment) const noexcept {
  if ((segment.flags & wire::kSyn) != 0) return wire::TcpView::kMinBytes + (segment.timestamps ? 12u : 0u) + 8u;
  return wire::TcpView::kMinBytes + (segment.timestamps ? 12u : 0u);
}

nic::Packet* SegmentWriter::begin(uint32_t room) noexcept {
  nic::Packet* packet = nic_.pool().allocate(room + kEthernetIpMost + wire::TcpView::kMaxBytes);
  if (packet == nullptr) ++counters_.no_packet;
  return packet;
}

uint8_t* SegmentWriter::payload(nic::Packet* packet, const Segment& segment) const noexcept {
  return packet->data + ethernet_ip() + tcp_bytes(segment);
}

void SegmentWriter::write_options(uint8_t* at, const Segment& segment) const noexcept {
  wire::TcpOptionWriter options(at);
  if ((segment.flags & wire::kSyn) != 0) {
    options.mss(settings_.segment_bytes());
    // Ours is 0, but only who offers the option gets the peer's (RFC 7323 §2.2).
    options.window_shift(0);
  }
  if (segment.timestamps) options.timestamp(segment.stamp, segment.stamp_echo);
}

void SegmentWriter::send(nic::Packet* packet, const Segment& segment, uint32_t payload_bytes) noexcept {
  const uint32_t header = tcp_bytes(segment);
  const uint32_t front = ethernet_ip();
  packet->length = static_cast<uint16_t>(front + header + payload_bytes);
  packet->next = nullptr;
  packet->flags = 0;
  uint8_t* const frame = packet->data;
  std::memcpy(frame, template_, front);
  uint8_t* const ip = frame + wire::EthernetView::kBytes;
  if (settings_.ipv6) {
    write_ipv6(ip, segment, header + payload_bytes);
  } else {
    write_ipv4(ip, segment, header + payload_bytes);
    if (ip_offload_) packet->flags |= nic::kTxIpChecksum;
  }
  uint8_t* const tcp = frame + front;
  wire::TcpView::write(tcp, {.source_port = segment.source_port, .target_port = settings_.server_port, .seq = segment.seq,
                             .ack = segment.ack, .window = segment.window, .header_bytes = static_cast<uint8_t>(header),
                             .flags = segment.flags});
  write_options(tcp + wire::TcpView::kMinBytes, segment);
  checksum(packet, header, header + payload_bytes);
  queue(packet);
}

void SegmentWriter::write_ipv4(uint8_t* ip, const Segment& segment, uint32_t segment_bytes) const noexcept {
  store_be16(ip + 2, static_cast<uint16_t>(wire::Ipv4View::kMinBytes + segment_bytes));
  store_be32(ip + 12, segment.source_address);
  if (ip_offload_) return wire::store_checksum(ip + 10, 0);
  // The template holds the checksum of a header with no length and no source: only these change (RFC 1624).
  uint16_t stored = wire::load_checksum(template_ + wire::EthernetView::kBytes + 10);
  stored = wire::checksum_update(stored, 0, wire::load_checksum(ip + 2));
  stored = wire::checksum_update(stored, 0, wire::load_checksum(ip + 12));
  stored = wire::checksum_update(stored, 0, wire::load_checksum(ip + 14));
  wire::store_checksum(ip + 10, stored);
}

void SegmentWriter::write_ipv6(uint8_t* ip, const Segment& segment, uint32_t segment_bytes) const noexcept {
  store_be16(ip + 4, static_cast<uint16_t>(segment_bytes));
  store_be32(ip + 20, segment.source_address);
}

void SegmentWriter::checksum(nic::Packet* packet, uint32_t tcp_bytes, uint32_t segment_bytes) noexcept {
  const uint8_t* const ip = packet->data + wire::EthernetView::kBytes;
  uint8_t* const tcp = packet->data + ethernet_ip();
  packet->l2_bytes = wire::EthernetView::kBytes;
  packet->l3_bytes = static_cast<uint8_t>(ethernet_ip() - wire::EthernetView::kBytes);
  packet->l4_bytes = static_cast<uint8_t>(tcp_bytes);
  wire::Checksum sum;
  if (settings_.ipv6) {
    wire::add_pseudo_header_v6(sum, ip + 8, ip + 24, wire::kProtocolTcp, segment_bytes);
  } else {
    wire::add_pseudo_header_v4(sum, ip + 12, ip + 16, wire::kProtocolTcp, static_cast<uint16_t>(segment_bytes));
  }
  if (l4_offload_) {
    packet->flags |= nic::kTxL4Checksum;
    wire::store_checksum(tcp + wire::TcpView::kChecksumOffset, sum.raw());
  } else {
    sum.add(tcp, segment_bytes);
    wire::store_checksum(tcp + wire::TcpView::kChecksumOffset, sum.finish());
  }
}

void SegmentWriter::queue(nic::Packet* packet) noexcept {
  if (waiting() >= kBacklog) {
    ++counters_.dropped;
    nic_.pool().unref_frame(packet);
    return;
  }
  ++counters_.frames;
  counters_.bytes += packet->length;
  backlog_.push_back(packet);
  if (waiting() >= flush_at_) flush();
}

void SegmentWriter::flush() noexcept {
  while (sent_ < backlog_.size()) {
    const size_t left = backlog_.size() - sent_;
    const uint32_t offered = static_cast<uint32_t>(std::min(left, offer_));
    const uint32_t taken = nic_.transmit(backlog_.data() + sent_, offered);
    sent_ += taken;
    offer_ = taken < offered ? kProbe : kBurst;
    if (taken < offered) break;
  }
  flush_at_ = waiting() + kBurst;
  if (sent_ == backlog_.size()) {
    backlog_.clear();
    sent_ = 0;
  } else if (sent_ >= kBacklog / 2) {
    backlog_.erase(backlog_.begin(), backlog_.begin() + static_cast<std::ptrdiff_t>(sent_));
    sent_ = 0;
  }
}

}  // namespace sluice::wiregen
