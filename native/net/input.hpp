#pragma once

#include <cstdint>

#include "net/arp.hpp"
#include "net/context.hpp"
#include "net/exceptions.hpp"
#include "net/fragments.hpp"
#include "net/icmp.hpp"
#include "net/icmp_refusal.hpp"
#include "net/ip_layer.hpp"
#include "wire/ipv6_upper.hpp"

namespace sluice::net {

// Checks frames, layer by layer, and sorts them: segments to TCP, a burst at a time, the rest to who speaks it.
class Input {
 public:
  Input(Context& context, Arp& arp, Icmp& icmp, IcmpRefusal& refusal, Exceptions& exceptions, Fragments& fragments)
      : context_(context), arp_(arp), icmp_(icmp), refusal_(refusal), exceptions_(exceptions), fragments_(fragments) {}

  static constexpr uint32_t kBurst = 64;

  void attach(SegmentHandler& tcp) noexcept { tcp_ = &tcp; }
  // At most kBurst frames, which it takes.
  void receive(nic::Packet** frames, uint32_t count);

 private:
  bool take_plain(nic::Packet* frame);
  void take(nic::Packet* frame);
  void take_arp(nic::Packet* frame);
  void take_icmp_v4(nic::Packet* frame, uint32_t bytes, const Addressing& addressing);
  void report(const nic::Packet* frame, const wire::Ipv6Upper& upper, const Addressing& addressing);
  void take_icmp_v6(nic::Packet* frame, uint32_t bytes, const Addressing& addressing);
  // To the kernel, or dropped with that reason.
  void not_ours(ExceptionKind kind, nic::Packet* frame, uint64_t& reason);
  void take_v4(nic::Packet* frame, bool group_mac);
  void take_v6(nic::Packet* frame, bool group_mac);
  void take_fragment_v4(nic::Packet* frame, const Addressing& addressing);
  void take_fragment_v6(nic::Packet* frame, const Addressing& addressing, const wire::Ipv6Upper& upper);
  void gather(nic::Packet* frame, const Fragment& fragment);
  void take_tcp(nic::Packet* frame, uint32_t bytes, const Addressing& addressing, uint8_t ecn);
  bool for_this_station(const nic::Packet* frame) const noexcept;
  bool tcp_checksum_good(const nic::Packet* frame, uint32_t bytes, const Addressing& addressing) const noexcept;
  bool admit_udp(nic::Packet* frame, uint32_t header_bytes, uint32_t bytes, const Addressing& addressing);
  bool udp_checksum_good(const nic::Packet* frame, uint32_t header_bytes, uint32_t bytes, const Addressing& addressing) const noexcept;
  bool trim(nic::Packet* frame, uint32_t bytes) noexcept;
  void learn_from(const IpAddress& source);

  Context& context_;
  Arp& arp_;
  Icmp& icmp_;
  IcmpRefusal& refusal_;
  SegmentHandler* tcp_ = nullptr;
  Exceptions& exceptions_;
  Fragments& fragments_;
  bool whole_ = false;                   // what is looked at was put together from fragments
  uint8_t* start_ = nullptr;             // of the frame that is looked at
  const uint8_t* source_mac_ = nullptr;
  uint64_t plain_target_ = UINT64_MAX;   // own IPv4 address that the last segment was for; at first none that fits
  uint32_t count_ = 0;
  Segment segments_[kBurst];
  Flow flows_[kBurst];
};

}  // namespace sluice::net
