#include "nic/sim_offload.hpp"

#include <algorithm>
#include <cstring>

#include "base/assert.hpp"
#include "base/bytes.hpp"

namespace sluice::nic {

namespace {

constexpr uint8_t kFin = 0x01;
constexpr uint8_t kPsh = 0x08;
constexpr uint8_t kCwr = 0x80;
constexpr uint32_t kTcpChecksumAt = 16;

uint32_t sum_words(const uint8_t* bytes, uint32_t length, uint32_t sum) {
  for (; length >= 2; bytes += 2, length -= 2) sum += load_be16(bytes);
  if (length == 1) sum += static_cast<uint32_t>(bytes[0]) << 8;
  return sum;
}

uint16_t fold(uint32_t sum) {
  while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(sum);
}

uint32_t pseudo_sum(const uint8_t* ip, uint8_t protocol, uint32_t length) {
  const bool v4 = ip[0] >> 4 == 4;
  const uint32_t sum = sum_words(ip + (v4 ? 12 : 8), v4 ? 8 : 32, 0);
  return sum + protocol + (length >> 16) + (length & 0xffff);
}

void finish_ip(uint8_t* ip, uint32_t bytes) {
  store_be16(ip + 10, 0);
  store_be16(ip + 10, static_cast<uint16_t>(~fold(sum_words(ip, bytes, 0))));
}

}  // namespace

void finish_checksums(const Packet& packet, uint8_t* frame, uint32_t length) {
  uint8_t* const ip = frame + packet.l2_bytes;
  if ((packet.flags & kTxIpChecksum) != 0) finish_ip(ip, packet.l3_bytes);
  if ((packet.flags & kTxL4Checksum) == 0) return;
  const uint32_t headers = packet.l2_bytes + packet.l3_bytes;
  SLUICE_ASSERT(length >= headers + packet.l4_bytes && packet.l4_bytes >= 20);
  uint8_t* const tcp = frame + headers;
  // The field holds the pseudo-header's sum already, and is covered like any other word.
  SLUICE_ASSERT(load_be16(tcp + kTcpChecksumAt) == fold(pseudo_sum(ip, 6, length - headers)));
  store_be16(tcp + kTcpChecksumAt, static_cast<uint16_t>(~fold(sum_words(tcp, length - headers, 0))));
}

std::vector<std::vector<uint8_t>> cut_segments(const Packet& packet, const std::vector<uint8_t>& frame) {
  const uint32_t l3_at = packet.l2_bytes;
  const uint32_t l4_at = l3_at + packet.l3_bytes;
  const uint32_t payload_at = l4_at + packet.l4_bytes;
  SLUICE_ASSERT(packet.segment_bytes > 0 && frame.size() > payload_at && (packet.flags & kTxL4Checksum) != 0);
  const uint8_t flags = frame[l4_at + 13];
  const uint32_t seq = load_be32(&frame[l4_at + 4]);
  const bool v4 = frame[l3_at] >> 4 == 4;
  std::vector<std::vector<uint8_t>> out;
  for (uint32_t at = payload_at; at < frame.size(); at += packet.segment_bytes) {
    const uint32_t bytes = std::min<uint32_t>(packet.segment_bytes, static_cast<uint32_t>(frame.size()) - at);
    const bool first = at == payload_at;
    const bool last = at + bytes == frame.size();
    std::vector<uint8_t> one(frame.begin(), frame.begin() + payload_at);
    one.insert(one.end(), frame.begin() + at, frame.begin() + at + bytes);
    uint8_t* const ip = one.data() + l3_at;
    uint8_t* const tcp = one.data() + l4_at;
    const uint32_t l4_length = packet.l4_bytes + bytes;
    store_be16(ip + (v4 ? 2 : 4), static_cast<uint16_t>(v4 ? packet.l3_bytes + l4_length : packet.l3_bytes - 40 + l4_length));
    if (v4) store_be16(ip + 4, static_cast<uint16_t>(load_be16(ip + 4) + out.size()));
    store_be32(tcp + 4, seq + (at - payload_at));
    tcp[13] = static_cast<uint8_t>(flags & ~((last ? 0 : kFin | kPsh) | (first ? 0 : kCwr)));
    // A device with TSO takes the pseudo-header's sum without a length, or with one that it corrects: it puts in each segment's own.
    store_be16(tcp + kTcpChecksumAt, fold(pseudo_sum(ip, 6, l4_length)));
    if (v4) finish_ip(ip, packet.l3_bytes);
    store_be16(tcp + kTcpChecksumAt, static_cast<uint16_t>(~fold(sum_words(tcp, l4_length, 0))));
    out.push_back(std::move(one));
  }
  return out;
}

uint8_t verify_checksums(const uint8_t* frame, uint32_t length) {
  if (length < 14) return 0;
  const uint32_t l2 = load_be16(frame + 12) == 0x8100 ? 18 : 14;
  if (length < l2 + 20) return 0;
  const uint16_t type = load_be16(frame + l2 - 2);
  const uint8_t* const ip = frame + l2;
  uint32_t l3 = 40;
  uint32_t l4 = 0;
  uint8_t flags = 0;
  if (type == 0x0800) {
    l3 = (ip[0] & 0x0fu) * 4;
    const uint32_t total = load_be16(ip + 2);
    if (l3 < 20 || total < l3 || total > length - l2) return 0;
    if (fold(sum_words(ip, l3, 0)) != 0xffff) return kRxChecksumBad;
    flags |= kRxIpChecksumGood;
    if ((load_be16(ip + 6) & 0x3fff) != 0 || ip[9] != 6) return flags;
    l4 = total - l3;
  } else if (type == 0x86dd) {
    if (length < l2 + 40 || ip[6] != 6 || load_be16(ip + 4) > length - l2 - 40) return 0;
    l4 = load_be16(ip + 4);
  } else {
    return 0;
  }
  if (l4 < 20) return flags;
  const bool good = fold(sum_words(ip + l3, l4, pseudo_sum(ip, 6, l4))) == 0xffff;
  return static_cast<uint8_t>(good ? flags | kRxL4ChecksumGood : flags | kRxChecksumBad);
}

}  // namespace sluice::nic
