#include "net/segment_gatherer.hpp"

#include <cstring>

#include "wire/ipv4.hpp"
#include "wire/ipv6.hpp"
#include "wire/tcp.hpp"

namespace sluice::net {

namespace {

// A device repeats the first header for each segment, FIN and PSH for the last only: a segment with any other of these stands alone.
constexpr uint8_t kAlone = wire::kSyn | wire::kRst | wire::kUrg | wire::kCwr;
constexpr uint8_t kOfTheLast = wire::kFin | wire::kPsh;
constexpr uint32_t kFlagsAt = 13;

uint32_t headers_of(const nic::Packet* frame) noexcept { return frame->l2_bytes + frame->l3_bytes + frame->l4_bytes; }
uint8_t* ip_of(const nic::Packet* frame) noexcept { return frame->data + frame->l2_bytes; }
uint8_t* tcp_of(const nic::Packet* frame) noexcept { return ip_of(frame) + frame->l3_bytes; }
bool is_v4(const uint8_t* ip) noexcept { return ip[0] >> 4 == 4; }

// Bytes of all pieces behind the headers, and the last piece.
uint32_t measure(nic::Packet* frame, nic::Packet*& last, uint32_t& pieces) noexcept {
  uint32_t bytes = 0;
  pieces = 0;
  for (last = frame;; last = last->next) {
    bytes += last->length;
    ++pieces;
    if (last->next == nullptr) return bytes - headers_of(frame);
  }
}

// The checksum of one that joins another goes with its headers, whoever computed it. What is no TCP segment differs from every head. One in
// pieces may have some that other frames end in as well, which nothing can be put behind.
bool is_segment(const nic::Packet* frame) noexcept {
  const bool plain = frame->next == nullptr && (frame->flags & ~nic::kTxL4Checksum) == 0;
  return plain && frame->length >= headers_of(frame) && (tcp_of(frame)[kFlagsAt] & kAlone) == 0;
}

// Of the same connection, with all that a device repeats alike: everything but lengths, checksums, the sequence number, FIN and PSH.
bool same_headers(const nic::Packet* a, const nic::Packet* b) noexcept {
  if (a->l2_bytes != b->l2_bytes || a->l3_bytes != b->l3_bytes || a->l4_bytes != b->l4_bytes) return false;
  const uint8_t* const ip = ip_of(a);
  const uint8_t* const other = ip_of(b);
  if (std::memcmp(a->data, b->data, a->l2_bytes) != 0) return false;
  const bool v4 = is_v4(ip);
  // IPv4: version, length and type of service; fragment to protocol; addresses. IPv6: all but the length.
  const bool same_ip = v4 ? std::memcmp(ip, other, 2) == 0 && std::memcmp(ip + 6, other + 6, 4) == 0 &&
                                std::memcmp(ip + 12, other + 12, a->l3_bytes - 12u) == 0
                          : std::memcmp(ip, other, 4) == 0 && std::memcmp(ip + 6, other + 6, a->l3_bytes - 6u) == 0;
  const uint8_t* const tcp = tcp_of(a);
  const uint8_t* const next = tcp_of(b);
  // Ports; acknowledgement and length; window; urgent pointer and options.
  return same_ip && std::memcmp(tcp, next, 4) == 0 && std::memcmp(tcp + 8, next + 8, 5) == 0 && std::memcmp(tcp + 14, next + 14, 2) == 0 &&
         std::memcmp(tcp + 18, next + 18, a->l4_bytes - 18u) == 0 && ((tcp[kFlagsAt] ^ next[kFlagsAt]) & ~kOfTheLast) == 0;
}

void set_length(uint8_t* ip, uint32_t l3_bytes, uint32_t l4_and_payload) noexcept {
  if (!is_v4(ip)) return store_be16(ip + 4, static_cast<uint16_t>(l4_and_payload + l3_bytes - wire::Ipv6View::kBytes));
  store_be16(ip + 2, static_cast<uint16_t>(l3_bytes + l4_and_payload));
  store_be16(ip + 10, 0);
  wire::Checksum sum;
  sum.add(ip, l3_bytes);
  wire::store_checksum(ip + 10, sum.finish());
}

}  // namespace

void SegmentGatherer::consider(nic::Packet* frame) noexcept {
  if (frame->flags != nic::kTxL4Checksum || !is_segment(frame) || (tcp_of(frame)[kFlagsAt] & wire::kFin) != 0) return;
  payload_ = measure(frame, last_, pieces_);
  if (payload_ < kLeastSegment || pieces_ >= pieces_max_) return;
  head_ = frame;
  head_->segment_bytes = static_cast<uint16_t>(payload_);
  next_seq_ = load_be32(tcp_of(frame) + 4) + payload_;
}

bool SegmentGatherer::continues(const nic::Packet* frame, uint32_t payload) const noexcept {
  return payload != 0 && payload <= head_->segment_bytes && payload_ + payload <= kMostBytes &&
         load_be32(tcp_of(frame) + 4) == next_seq_ && same_headers(head_, frame);
}

bool SegmentGatherer::try_join(nic::Packet* frame) noexcept {
  nic::Packet* last = nullptr;
  uint32_t pieces = 0;
  if (!is_segment(frame)) return false;
  const uint32_t payload = measure(frame, last, pieces);
  if (pieces_ + pieces > pieces_max_ || !continues(frame, payload)) return false;
  if ((head_->flags & nic::kTxSegment) == 0) become_large();
  const uint8_t flags = tcp_of(frame)[kFlagsAt];
  tcp_of(head_)[kFlagsAt] |= flags & kOfTheLast;
  frame->pull(static_cast<uint16_t>(headers_of(frame)));
  frame->flags = 0;
  last_->next = frame;
  last_ = last;
  pieces_ += pieces;
  payload_ += payload;
  next_seq_ += payload;
  set_length(ip_of(head_), head_->l3_bytes, head_->l4_bytes + payload_);
  // A short segment is the last, and so is one with FIN.
  if (payload < head_->segment_bytes || (flags & wire::kFin) != 0) head_ = nullptr;
  return true;
}

// A device that cuts adds the length of each segment to the pseudo-header's sum itself.
void SegmentGatherer::become_large() noexcept {
  const uint8_t* const ip = ip_of(head_);
  head_->flags |= nic::kTxSegment;
  if (ip_checksum_ && is_v4(ip)) head_->flags |= nic::kTxIpChecksum;
  wire::Checksum sum;
  if (is_v4(ip)) {
    wire::add_pseudo_header_v4(sum, ip + 12, ip + 16, wire::kProtocolTcp, 0);
  } else {
    wire::add_pseudo_header_v6(sum, ip + 8, ip + 24, wire::kProtocolTcp, 0);
  }
  wire::store_checksum(tcp_of(head_) + wire::TcpView::kChecksumOffset, sum.raw());
}

}  // namespace sluice::net
