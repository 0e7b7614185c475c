#include "sim/net/sabotage.hpp"

#include <algorithm>
#include <cstring>

#include "base/assert.hpp"
#include "base/bytes.hpp"
#include "sim/net/tcp_frame.hpp"
#include "wire/checksum.hpp"
#include "wire/ethernet.hpp"
#include "wire/ipv4.hpp"

namespace sluice::sim {

namespace {

constexpr const char* kNames[kSabotages] = {
    "none",           "ack-too-much",       "ack-back",        "bad-checksum", "shrink-window",
    "ignore-window",  "corrupt-retransmit", "skip-retransmit", "forget-fin",   "early-fin",
    "timestamp-back", "lie-in-sack",        "long-segment",    "leak-packet",  "change-delivered",
    "lose-data",      "double-data",        "swap-data",       "early-end",    "lose-end",
};

struct Place {
  uint32_t ip;
  uint32_t tcp;
  bool v4;
};

Place place_of(const std::vector<uint8_t>& frame) {
  const bool v4 = load_be16(&frame[12]) == wire::kTypeIpv4;
  return {14, 14u + (v4 ? (frame[14] & 15u) * 4 : 40u), v4};
}

void fix_checksum(std::vector<uint8_t>& frame) {
  const Place at = place_of(frame);
  const uint32_t bytes = at.v4 ? load_be16(&frame[at.ip + 2]) - (at.tcp - at.ip) : load_be16(&frame[at.ip + 4]);
  wire::Checksum sum;
  if (at.v4) {
    wire::add_pseudo_header_v4(sum, &frame[at.ip + 12], &frame[at.ip + 16], wire::kProtocolTcp, static_cast<uint16_t>(bytes));
  } else {
    wire::add_pseudo_header_v6(sum, &frame[at.ip + 8], &frame[at.ip + 24], wire::kProtocolTcp, bytes);
  }
  store_be16(&frame[at.tcp + 16], 0);
  sum.add(&frame[at.tcp], bytes);
  wire::store_checksum(&frame[at.tcp + 16], sum.finish());
}

// The option's first byte, or 0 where the segment has none of that kind.
uint32_t find_option(const std::vector<uint8_t>& frame, uint8_t kind) {
  const Place at = place_of(frame);
  const uint32_t end = at.tcp + (frame[at.tcp + 12] >> 4) * 4u;
  for (uint32_t i = at.tcp + 20; i + 1 < end && frame[i] != 0; i += frame[i] == 1 ? 1u : std::max<uint32_t>(2, frame[i + 1])) {
    if (frame[i] == kind) return i;
  }
  return 0;
}

std::vector<uint8_t> bytes_of(const nic::Packet* packet) {
  std::vector<uint8_t> out;
  for (; packet != nullptr; packet = packet->next) out.insert(out.end(), packet->data, packet->data + packet->length);
  return out;
}

void lengthen(std::vector<uint8_t>& frame, uint32_t bytes) {
  const Place at = place_of(frame);
  frame.resize(frame.size() + bytes);
  if (!at.v4) return store_be16(&frame[at.ip + 4], static_cast<uint16_t>(load_be16(&frame[at.ip + 4]) + bytes));
  store_be16(&frame[at.ip + 2], static_cast<uint16_t>(load_be16(&frame[at.ip + 2]) + bytes));
  store_be16(&frame[at.ip + 10], 0);
  wire::Checksum sum;
  sum.add(&frame[at.ip], at.tcp - at.ip);
  wire::store_checksum(&frame[at.ip + 10], sum.finish());
}

}  // namespace

const char* sabotage_name(Sabotage sabotage) { return kNames[static_cast<uint32_t>(sabotage)]; }

Sabotage find_sabotage(const std::string& name) {
  for (uint32_t i = 0; i < kSabotages; ++i) {
    if (name == kNames[i]) return static_cast<Sabotage>(i);
  }
  return Sabotage::kNone;
}

SabotageNic::SabotageNic(nic::Nic& inner, Sabotage what) : inner_(inner), what_(what), capabilities_(inner.capabilities()) {
  if (what == Sabotage::kNone) return;
  capabilities_.tso = capabilities_.tx_l4_checksum = capabilities_.tx_ip_checksum = capabilities_.rx_checksum = false;
}

bool SabotageNic::is_repetition(const std::vector<uint8_t>& frame) {
  const auto tcp = read_tcp_frame(frame.data(), static_cast<uint32_t>(frame.size()));
  if (tcp->span() == 0) return false;
  return !sent_.insert({static_cast<uint16_t>(tcp->source_port * 31 + tcp->target_port), tcp->seq}).second;
}

bool SabotageNic::spoil_sent(std::vector<uint8_t>& frame) {
  const auto tcp = read_tcp_frame(frame.data(), static_cast<uint32_t>(frame.size()));
  if (!tcp || tcp->has(wire::kSyn | wire::kRst)) return true;
  const Place at = place_of(frame);
  uint8_t* const header = &frame[at.tcp];
  const bool seventh = ++count_ % 7 == 0;
  switch (what_) {
    case Sabotage::kAckTooMuch:
      if (seventh) store_be32(header + 8, tcp->ack + 1);
      break;
    case Sabotage::kAckBack:
      if (seventh) store_be32(header + 8, tcp->ack - 1);
      break;
    case Sabotage::kBadChecksum:
      if (seventh) header[16] ^= 0x40;
      return true;
    case Sabotage::kShrinkWindow:
      if (seventh) store_be16(header + 14, static_cast<uint16_t>(tcp->window / 2));
      break;
    case Sabotage::kCorruptRetransmit:
      if (is_repetition(frame) && tcp->payload_bytes != 0) frame[frame.size() - 1] ^= 1;
      break;
    case Sabotage::kSkipRetransmit:
      return !is_repetition(frame);
    case Sabotage::kForgetFin:
      header[13] &= static_cast<uint8_t>(~wire::kFin);
      break;
    case Sabotage::kEarlyFin:
      if (seventh && tcp->payload_bytes != 0) header[13] |= wire::kFin;
      break;
    case Sabotage::kTimestampBack:
      if (const uint32_t option = find_option(frame, 8); seventh && option != 0)
        store_be32(&frame[option + 2], tcp->options.timestamp - 100'000);
      break;
    case Sabotage::kLieInSack:
      if (const uint32_t option = find_option(frame, 5); option != 0)
        store_be32(&frame[option + 6], load_be32(&frame[option + 6]) + 10'000);
      break;
    case Sabotage::kLongSegment:
      if (tcp->payload_bytes > 900 && frame.size() + 64 <= capabilities_.mtu + 14u) lengthen(frame, 64);
      break;
    default:
      return true;
  }
  fix_checksum(frame);
  return true;
}

void SabotageNic::spoil_received(std::vector<uint8_t>& frame) {
  const auto tcp = read_tcp_frame(frame.data(), static_cast<uint32_t>(frame.size()));
  if (!tcp || !tcp->checksums_good || tcp->has(wire::kSyn | wire::kRst)) return;
  const Place at = place_of(frame);
  if (what_ == Sabotage::kIgnoreWindow) {
    store_be16(&frame[at.tcp + 14], static_cast<uint16_t>(std::min<uint32_t>(65'535, tcp->window * 4u + 4'000)));
  } else if (what_ == Sabotage::kChangeDelivered && tcp->payload_bytes > 0 && ++count_ % 7 == 0) {
    frame[static_cast<size_t>(tcp->payload - frame.data())] ^= 0x20;
  } else {
    return;
  }
  fix_checksum(frame);
}

nic::Packet* SabotageNic::replace(const std::vector<uint8_t>& frame) {
  nic::Packet* first = nullptr;
  nic::Packet** link = &first;
  for (size_t at = 0; at < frame.size();) {
    nic::Packet* const packet = pool().allocate(1);
    if (packet == nullptr) {
      pool().unref_frame(first);
      return nullptr;
    }
    packet->length = static_cast<uint16_t>(std::min<size_t>(packet->tailroom(), frame.size() - at));
    std::memcpy(packet->data, frame.data() + at, packet->length);
    at += packet->length;
    *link = packet;
    link = &packet->next;
  }
  return first;
}

uint32_t SabotageNic::receive(nic::Packet** frames, uint32_t max) noexcept {
  const uint32_t count = inner_.receive(frames, max);
  if (what_ == Sabotage::kNone) return count;
  for (uint32_t i = 0; i < count; ++i) {
    if (what_ == Sabotage::kLeakPacket && ++count_ % 50 == 0) nic::PacketPool::ref(frames[i]);
    std::vector<uint8_t> bytes = bytes_of(frames[i]);
    const std::vector<uint8_t> before = bytes;
    spoil_received(bytes);
    size_t at = 0;
    for (nic::Packet* piece = frames[i]; piece != nullptr; piece = piece->next) {
      if (bytes != before) std::memcpy(piece->data, bytes.data() + at, piece->length);
      at += piece->length;
    }
  }
  return count;
}

uint32_t SabotageNic::transmit(nic::Packet** frames, uint32_t count) noexcept {
  if (what_ == Sabotage::kNone) return inner_.transmit(frames, count);
  for (uint32_t i = 0; i < count; ++i) {
    std::vector<uint8_t> bytes = bytes_of(frames[i]);
    const bool goes = spoil_sent(bytes);
    nic::Packet* other = goes ? replace(bytes) : nullptr;
    if (other != nullptr && inner_.transmit(&other, 1) == 0) pool().unref_frame(other);
    pool().unref_frame(frames[i]);
  }
  return count;
}

}  // namespace sluice::sim
