#include "wiregen/port.hpp"

#include <cstring>

#include "base/bytes.hpp"
#include "wire/arp.hpp"
#include "wire/ethernet.hpp"
#include "wire/ipv4.hpp"
#include "wire/ipv6.hpp"
#include "wire/tcp.hpp"

namespace sluice::wiregen {

Port::Port(nic::Nic& nic, const Settings& settings, const AddressPlan& plan, Client* clients, SegmentWriter& out, Tcp& tcp,
           uint64_t (*clock)())
    : nic_(nic),
      settings_(settings),
      plan_(plan),
      clients_(clients),
      tcp_(tcp),
      clock_(clock),
      resolver_(nic, settings, plan, out) {}

uint32_t Port::receive() {
  nic::Packet* frames[kBurst];
  Seen seen[kBurst];
  bool good[kBurst];
  const uint32_t count = nic_.receive(frames, kBurst);
  if (count == 0) return 0;
  tcp_.now(clock_());
  for (uint32_t i = 0; i < count; ++i) __builtin_prefetch(frames[i]->data);
  // First all of them are parsed, so that the clients' memory is on its way when it is needed.
  for (uint32_t i = 0; i < count; ++i) {
    good[i] = parse(frames[i], seen[i]);
    if (good[i] && seen[i].id != kNoClient) __builtin_prefetch(&clients_[seen[i].id]);
  }
  for (uint32_t i = 0; i < count; ++i) {
    if (good[i] && seen[i].id != kNoClient) tcp_.on_segment(seen[i].id, seen[i].port, seen[i].segment);
    if (good[i] && seen[i].id == kNoClient) tcp_.refuse(seen[i].address, seen[i].port, seen[i].segment);
    nic_.pool().unref_frame(frames[i]);
  }
  return count;
}

namespace {

// What the device has not verified is verified here.
bool checksum_good(const nic::Packet& packet, const wire::Ipv4View& ip) noexcept {
  if ((packet.flags & nic::kRxChecksumBad) != 0) return false;
  if ((packet.flags & nic::kRxIpChecksumGood) == 0 && !ip.checksum_good()) return false;
  if ((packet.flags & nic::kRxL4ChecksumGood) != 0) return true;
  wire::Checksum sum;
  wire::add_pseudo_header_v4(sum, ip.source(), ip.target(), wire::kProtocolTcp, static_cast<uint16_t>(ip.payload_bytes()));
  sum.add(ip.payload(), ip.payload_bytes());
  return sum.good();
}

bool checksum_good(const nic::Packet& packet, const wire::Ipv6View& ip) noexcept {
  if ((packet.flags & nic::kRxChecksumBad) != 0) return false;
  if ((packet.flags & nic::kRxL4ChecksumGood) != 0) return true;
  wire::Checksum sum;
  wire::add_pseudo_header_v6(sum, ip.source(), ip.target(), wire::kProtocolTcp, ip.payload_bytes());
  sum.add(ip.payload(), ip.payload_bytes());
  return sum.good();
}

}  // namespace

bool Port::parse(nic::Packet* packet, Seen& seen) {
  ++counters_.frames;
  counters_.bytes += packet->length;
  const auto ethernet = wire::EthernetView::parse(packet->data, packet->length);
  if (!ethernet) {
    ++counters_.malformed;
    return false;
  }
  uint8_t* const at = packet->data + ethernet->header_bytes();
  const uint32_t length = packet->length - ethernet->header_bytes();
  if (ethernet->type() == wire::kTypeArp) {
    on_arp(at, length);
    return false;
  }
  // Chains are not taken: the generator's MTU fits a packet.
  if (packet->next != nullptr) {
    ++counters_.malformed;
    return false;
  }
  if (ethernet->type() == wire::kTypeIpv4 && !settings_.ipv6) return parse_ipv4(*packet, at, length, seen);
  if (ethernet->type() == wire::kTypeIpv6 && settings_.ipv6) return parse_ipv6(*packet, at, length, seen);
  ++counters_.foreign;
  return false;
}

bool Port::parse_ipv4(const nic::Packet& packet, uint8_t* at, uint32_t length, Seen& seen) {
  const auto ip = wire::Ipv4View::parse(at, length);
  if (!ip || ip->is_fragment()) {
    ++counters_.malformed;
    return false;
  }
  seen.address = load_be32(ip->target());
  const bool ours = load_be32(ip->source()) == settings_.server_address && resolver_.answers_for(seen.address);
  if (ip->protocol() != wire::kProtocolTcp || !ours) {
    ++counters_.foreign;
    return false;
  }
  if (checksum_good(packet, *ip)) return parse_tcp(ip->payload(), ip->payload_bytes(), seen);
  ++counters_.bad_checksum;
  return false;
}

bool Port::parse_ipv6(const nic::Packet& packet, uint8_t* at, uint32_t length, Seen& seen) {
  const auto ip = wire::Ipv6View::parse(at, length);
  if (!ip) {
    ++counters_.malformed;
    return false;
  }
  if (ip->next_header() == wire::kProtocolIcmpv6) {
    if (resolver_.take_icmpv6(*ip)) ++counters_.arp;
    return false;
  }
  seen.address = load_be32(ip->target() + 12);
  const bool from_server = std::memcmp(ip->source(), settings_.server_prefix, sizeof settings_.server_prefix) == 0 &&
                           load_be32(ip->source() + 12) == settings_.server_address;
  if (ip->next_header() != wire::kProtocolTcp || !from_server || !resolver_.answers_for(ip->target())) {
    ++counters_.foreign;
    return false;
  }
  if (checksum_good(packet, *ip)) return parse_tcp(ip->payload(), ip->payload_bytes(), seen);
  ++counters_.bad_checksum;
  return false;
}

bool Port::parse_tcp(uint8_t* at, uint32_t length, Seen& seen) {
  const auto tcp = wire::TcpView::parse(at, length);
  if (!tcp || tcp->source_port() != settings_.server_port) {
    ++(tcp ? counters_.foreign : counters_.malformed);
    return false;
  }
  seen.port = tcp->target_port();
  seen.id = plan_.find(seen.address, seen.port);
  seen.segment = {.seq = tcp->seq(), .ack = tcp->ack(), .window = tcp->window(), .flags = tcp->flags(), .options = tcp->options(),
                  .options_bytes = tcp->options_bytes(), .data = at + tcp->header_bytes(), .length = length - tcp->header_bytes()};
  return true;
}

void Port::on_arp(const uint8_t* at, uint32_t length) {
  const auto arp = wire::ArpView::parse(at, length);
  if (!arp) {
    ++counters_.malformed;
    return;
  }
  ++counters_.arp;
  resolver_.take_arp(*arp);
}

}  // namespace sluice::wiregen
