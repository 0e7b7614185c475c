#include "net/ip_output.hpp"

#include <algorithm>
#include <cstring>

#include "base/assert.hpp"
#include "base/bytes.hpp"
#include "base/siphash.hpp"
#include "wire/ethernet.hpp"
#include "wire/ipv4.hpp"
#include "wire/ipv6.hpp"

namespace sluice::net {

bool IpOutput::send(const IpPacket& ip, nic::Packet* packet, uint32_t message_bytes) {
  const IpAddress* const hop = next_hop(*ip.remote);
  if (__builtin_expect(hop == nullptr, 0)) {
    context_->drop(packet, context_->counters.unsent_no_route);
    return false;
  }
  // Asked first: the request may need the packet pool, the waiting list or an older entry's place.
  const nic::MacAddress* const mac = context_->neighbors.resolve(*hop, context_->now_us);
  if (__builtin_expect(mac != nullptr, 1)) return send_to(ip, packet, message_bytes, *mac);
  write_header(ip, packet, message_bytes);
  Transmitter::mark_waiting(packet);
  context_->neighbors.hold(*hop, packet);
  return true;
}

bool IpOutput::send_to(const IpPacket& ip, nic::Packet* packet, uint32_t message_bytes, const nic::MacAddress& mac) {
  write_header(ip, packet, message_bytes);
  return context_->transmitter.send(packet, mac, ip.remote->is_v4() ? wire::kTypeIpv4 : wire::kTypeIpv6);
}

void IpOutput::write_header(const IpPacket& ip, nic::Packet* packet, uint32_t message_bytes) noexcept {
  if (ip.remote->is_v4()) {
    wire::Ipv4View::Fields fields{.total_bytes = static_cast<uint16_t>(message_bytes + wire::Ipv4View::kMinBytes),
                                  .protocol = ip.protocol, .source = ip.local->v4(), .target = ip.remote->v4()};
    fields.identification = ip.identification;
    fields.fragment = ip.fragment;
    fields.dont_fragment = ip.dont_fragment;
    fields.tos = ip.traffic_class;
    fields.ttl = ip.hops;
    SLUICE_ASSERT(packet->headroom() >= wire::Ipv4View::kMinBytes);
    wire::Ipv4View::write(packet->push(wire::Ipv4View::kMinBytes), fields);
    packet->l3_bytes = wire::Ipv4View::kMinBytes;
    return;
  }
  wire::Ipv6View::Fields fields{.payload_bytes = static_cast<uint16_t>(message_bytes), .next_header = ip.protocol,
                                .source = ip.local->bytes, .target = ip.remote->bytes};
  fields.traffic_class = ip.traffic_class;
  fields.hop_limit = ip.hops;
  fields.flow_label = ip.flow_label;
  SLUICE_ASSERT(packet->headroom() >= wire::Ipv6View::kBytes);
  wire::Ipv6View::write(packet->push(wire::Ipv6View::kBytes), fields);
  packet->l3_bytes = wire::Ipv6View::kBytes;
}

namespace {

constexpr uint32_t kFragmentHeader = 8;
constexpr uint8_t kNextFragment = 44;

// Copies from a chain, of which it remembers the place.
class ChainReader {
 public:
  explicit ChainReader(const nic::Packet* piece) noexcept : piece_(piece) {}
  void read(uint8_t* to, uint32_t bytes) noexcept {
    while (bytes != 0) {
      SLUICE_ASSERT(piece_ != nullptr);
      const uint32_t some = std::min<uint32_t>(bytes, piece_->length - at_);
      std::memcpy(to, piece_->data + at_, some);
      to += some;
      bytes -= some;
      at_ += some;
      if (at_ != piece_->length) continue;
      piece_ = piece_->next;
      at_ = 0;
    }
  }

 private:
  const nic::Packet* piece_;
  uint32_t at_ = 0;
};

}  // namespace

bool IpOutput::send_in_fragments(const IpPacket& ip, nic::Packet* packet, uint32_t message_bytes) {
  const uint32_t headers = ip.remote->is_v4() ? wire::Ipv4View::kMinBytes : wire::Ipv6View::kBytes + kFragmentHeader;
  const uint32_t most = std::min<uint32_t>(context_->mtu - headers, context_->nic.pool().room()) / 8 * 8;
  // RFC 7739 §3: not to be guessed, and not one count for all to see.
  const uint64_t count = ++fragmented_;
  const auto id = static_cast<uint32_t>(siphash13(context_->options.key, &count, sizeof count));
  ChainReader reader(packet);
  bool sent = true;
  for (uint32_t offset = 0; offset < message_bytes && sent;) {
    const uint32_t bytes = std::min(most, message_bytes - offset);
    nic::Packet* const fragment = context_->allocate(bytes);
    if (fragment == nullptr) {
      sent = false;
      break;
    }
    reader.read(fragment->data, bytes);
    sent = send_fragment(ip, fragment, offset, id, offset + bytes < message_bytes);
    offset += bytes;
  }
  context_->nic.pool().unref_frame(packet);
  return sent;
}

bool IpOutput::send_fragment(const IpPacket& ip, nic::Packet* fragment, uint32_t offset, uint32_t id, bool more) {
  IpPacket part = ip;
  if (ip.remote->is_v4()) {
    part.identification = static_cast<uint16_t>(id);
    part.fragment = static_cast<uint16_t>(offset / 8 | (more ? 0x2000 : 0));
    part.dont_fragment = false;
    return send(part, fragment, fragment->length);
  }
  uint8_t* const header = fragment->push(kFragmentHeader);
  header[0] = ip.protocol;
  header[1] = 0;
  store_be16(header + 2, static_cast<uint16_t>(offset | (more ? 1 : 0)));
  store_be32(header + 4, id);
  part.protocol = kNextFragment;
  return send(part, fragment, fragment->length);
}

uint16_t IpOutput::type_of(const nic::Packet* packet) noexcept { return packet->data[0] >> 4 == 4 ? wire::kTypeIpv4 : wire::kTypeIpv6; }

void IpOutput::release(nic::Packet* packet, const nic::MacAddress& mac) {
  Transmitter::unmark_waiting(packet);
  context_->transmitter.send(packet, mac, type_of(packet));
}

void IpOutput::give_up(nic::Packet* packet) {
  Transmitter::unmark_waiting(packet);
  context_->drop(packet, context_->counters.unsent_unresolved);
}

}  // namespace sluice::net
