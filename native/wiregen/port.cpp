#include "wiregen/port.hpp"

#include "base/bytes.hpp"
#include "wire/arp.hpp"
#include "wire/ethernet.hpp"
#include "wire/ipv4.hpp"
#include "wire/tcp.hpp"

namespace sluice::wiregen {

Port::Port(nic::Nic& nic, const Settings& settings, const AddressPlan& plan, Client* clients, SegmentWriter& out, Tcp& tcp,
           uint64_t (*clock)())
    : nic_(nic),
      settings_(settings),
      plan_(plan),
      clients_(clients),
      out_(out),
      tcp_(tcp),
      clock_(clock),
      server_known_(settings.server_mac_known) {}

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
bool checksums_good(const nic::Packet& packet, const wire::Ipv4View& ip) noexcept {
  if ((packet.flags & nic::kRxChecksumBad) != 0) return false;
  if ((packet.flags & nic::kRxIpChecksumGood) == 0 && !ip.checksum_good()) return false;
  if ((packet.flags & nic::kRxL4ChecksumGood) != 0) return true;
  wire::Checksum sum;
  wire::add_pseudo_header_v4(sum, ip.source(), ip.target(), wire::kProtocolTcp, static_cast<uint16_t>(ip.payload_bytes()));
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
  if (ethernet->type() == wire::kTypeIpv4) return parse_tcp(packet, at, length, seen);
  ++counters_.foreign;
  return false;
}

bool Port::parse_tcp(nic::Packet* packet, uint8_t* at, uint32_t length, Seen& seen) {
  const auto ip = wire::Ipv4View::parse(at, length);
  // Chains are not taken: the generator's MTU fits a packet.
  if (!ip || ip->is_fragment() || packet->next != nullptr) {
    ++counters_.malformed;
    return false;
  }
  const bool ours = load_be32(ip->source()) == settings_.server_address && answers_for(load_be32(ip->target()));
  if (ip->protocol() != wire::kProtocolTcp || !ours) {
    ++counters_.foreign;
    return false;
  }
  if (!checksums_good(*packet, *ip)) {
    ++counters_.bad_checksum;
    return false;
  }
  const auto tcp = wire::TcpView::parse(ip->payload(), ip->payload_bytes());
  if (!tcp || tcp->source_port() != settings_.server_port) {
    ++(tcp ? counters_.foreign : counters_.malformed);
    return false;
  }
  seen.address = load_be32(ip->target());
  seen.port = tcp->target_port();
  seen.id = plan_.find(seen.address, seen.port);
  seen.segment = {.seq = tcp->seq(), .ack = tcp->ack(), .window = tcp->window(), .flags = tcp->flags(), .options = tcp->options(),
                  .options_bytes = tcp->options_bytes(), .data = ip->payload() + tcp->header_bytes(),
                  .length = ip->payload_bytes() - tcp->header_bytes()};
  return true;
}

void Port::on_arp(const uint8_t* at, uint32_t length) {
  const auto arp = wire::ArpView::parse(at, length);
  if (!arp) {
    ++counters_.malformed;
    return;
  }
  ++counters_.arp;
  const uint32_t sender = load_be32(arp->sender_ip());
  const uint32_t target = load_be32(arp->target_ip());
  if (sender == settings_.server_address && !server_known_) {
    out_.server_mac(arp->sender_mac());
    server_known_ = true;
  }
  if (arp->operation() != wire::ArpView::kRequest || !answers_for(target)) return;
  send_arp(wire::ArpView::kReply, arp->sender_mac(), target, sender);
}

void Port::ask() {
  static constexpr uint8_t kBroadcast[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
  send_arp(wire::ArpView::kRequest, kBroadcast, settings_.local_address, settings_.server_address);
}

void Port::send_arp(uint16_t operation, const uint8_t* target_mac, uint32_t sender, uint32_t target) {
  nic::Packet* packet = nic_.pool().allocate(64);
  if (packet == nullptr) return;
  uint8_t sender_ip[4];
  uint8_t target_ip[4];
  store_be32(sender_ip, sender);
  store_be32(target_ip, target);
  const uint8_t* mac = nic_.capabilities().mac.bytes;
  const uint32_t head = wire::EthernetView::write(packet->data, target_mac, mac, wire::kTypeArp, 0);
  // RFC 826: the target's hardware address is unknown in a request.
  static constexpr uint8_t kUnknown[6] = {};
  const uint8_t* known = operation == wire::ArpView::kRequest ? kUnknown : target_mac;
  wire::ArpView::write(packet->data + head, operation, mac, sender_ip, known, target_ip);
  packet->length = static_cast<uint16_t>(head + wire::ArpView::kBytes);
  packet->next = nullptr;
  packet->flags = 0;
  out_.send_raw(packet);
}

}  // namespace sluice::wiregen
