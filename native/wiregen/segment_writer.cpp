#include "wiregen/segment_writer.hpp"

#include <algorithm>
#include <cstring>

#include "base/bytes.hpp"
#include "wire/checksum.hpp"
#include "wire/ethernet.hpp"
#include "wire/ipv4.hpp"
#include "wire/tcp.hpp"
#include "wire/tcp_options.hpp"

namespace sluice::wiregen {

SegmentWriter::SegmentWriter(nic::Nic& nic, const Settings& settings) : nic_(nic), settings_(settings) {
  const nic::NicCapabilities& able = nic.capabilities();
  ip_offload_ = able.tx_ip_checksum;
  l4_offload_ = able.tx_l4_checksum;
  wire::EthernetView::write(template_, settings.server_mac, able.mac.bytes, wire::kTypeIpv4, 0);
  uint8_t source[4] = {};
  uint8_t target[4];
  store_be32(target, settings.server_address);
  wire::Ipv4View::write(template_ + wire::EthernetView::kBytes,
                        {.total_bytes = 0, .protocol = wire::kProtocolTcp, .source = source, .target = target});
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
  nic::Packet* packet = nic_.pool().allocate(room + kEthernetIp + wire::TcpView::kMaxBytes);
  if (packet == nullptr) ++counters_.no_packet;
  return packet;
}

uint8_t* SegmentWriter::payload(nic::Packet* packet, const Segment& segment) const noexcept {
  return packet->data + kEthernetIp + tcp_bytes(segment);
}

void SegmentWriter::write_options(uint8_t* at, const Segment& segment) const noexcept {
  wire::TcpOptionWriter options(at);
  if ((segment.flags & wire::kSyn) != 0) {
    options.mss(settings_.mss);
    // Ours is 0, but only who offers the option gets the peer's (RFC 7323 §2.2).
    options.window_shift(0);
  }
  if (segment.timestamps) options.timestamp(segment.stamp, segment.stamp_echo);
}

void SegmentWriter::send(nic::Packet* packet, const Segment& segment, uint32_t payload_bytes) noexcept {
  const uint32_t header = tcp_bytes(segment);
  const uint32_t total = 20 + header + payload_bytes;
  packet->length = static_cast<uint16_t>(wire::EthernetView::kBytes + total);
  packet->next = nullptr;
  uint8_t* const frame = packet->data;
  std::memcpy(frame, template_, kEthernetIp);
  uint8_t* const ip = frame + wire::EthernetView::kBytes;
  store_be16(ip + 2, static_cast<uint16_t>(total));
  store_be32(ip + 12, segment.source_address);
  uint8_t* const tcp = ip + 20;
  wire::TcpView::write(tcp, {.source_port = segment.source_port, .target_port = settings_.server_port, .seq = segment.seq,
                             .ack = segment.ack, .window = segment.window, .header_bytes = static_cast<uint8_t>(header),
                             .flags = segment.flags});
  write_options(tcp + wire::TcpView::kMinBytes, segment);
  checksum(packet, header, header + payload_bytes);
  queue(packet);
}

void SegmentWriter::checksum(nic::Packet* packet, uint32_t tcp_bytes, uint32_t segment_bytes) noexcept {
  uint8_t* const ip = packet->data + wire::EthernetView::kBytes;
  uint8_t* const tcp = ip + 20;
  packet->flags = 0;
  packet->l2_bytes = wire::EthernetView::kBytes;
  packet->l3_bytes = 20;
  packet->l4_bytes = static_cast<uint8_t>(tcp_bytes);
  if (ip_offload_) {
    packet->flags |= nic::kTxIpChecksum;
    wire::store_checksum(ip + 10, 0);
  } else {
    // The template holds the checksum of a header with no length and no source: only these change (RFC 1624).
    uint16_t stored = wire::load_checksum(template_ + wire::EthernetView::kBytes + 10);
    stored = wire::checksum_update(stored, 0, wire::load_checksum(ip + 2));
    stored = wire::checksum_update(stored, 0, wire::load_checksum(ip + 12));
    stored = wire::checksum_update(stored, 0, wire::load_checksum(ip + 14));
    wire::store_checksum(ip + 10, stored);
  }
  wire::Checksum sum;
  wire::add_pseudo_header_v4(sum, ip + 12, ip + 16, wire::kProtocolTcp, static_cast<uint16_t>(segment_bytes));
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
