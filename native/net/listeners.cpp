#include "net/listeners.hpp"

#include <algorithm>
#include <cstring>

#include "base/bytes.hpp"
#include "base/siphash.hpp"
#include "net/special_addresses.hpp"
#include "wire/checksum.hpp"
#include "wire/icmp.hpp"
#include "wire/icmpv6.hpp"
#include "wire/ipv4.hpp"
#include "wire/ipv6.hpp"

namespace sluice::net {

namespace {

// RFC 3810 §5.2.14
constexpr IpAddress kAllReportRouters{{0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x16}};
// §5.2.12: every source is welcome, asked for and unasked.
constexpr uint8_t kModeIsExclude = 2;
constexpr uint8_t kChangeToExclude = 4;
constexpr uint32_t kRecordBytes = 20;
constexpr uint32_t kQueryBytesV1 = 24;
constexpr uint32_t kQueryBytesV2 = 28;
// Of a report that fits the smallest packet that every link carries.
constexpr size_t kGroupsMax = 56;

// §5: routers look at packets with this option, whoever they are for (RFC 2711).
constexpr uint8_t kHopByHop = 0;
constexpr uint8_t kRouterAlert[8] = {wire::kProtocolIcmpv6, 0, 5, 2, 0, 0, 1, 0};

// §5.1.3: milliseconds, from 32,768 on with an exponent. RFC 2710 §3.4 has no exponent.
uint32_t response_delay_max_ms(uint16_t code, bool v1) noexcept {
  if (v1 || code < 0x8000) return code;
  return ((code & 0xfffu) | 0x1000u) << ((code >> 12 & 7u) + 3);
}

}  // namespace

Listeners::Listeners(Context& context, IpOutput& output) : context_(context), output_(output) {
  for (const InterfaceAddress& entry : context.routes.addresses()) {
    if (entry.address.is_v4()) continue;
    const IpAddress group = solicited_node(entry.address);
    // Addresses of the same last three bytes share theirs.
    if (std::find(groups_.begin(), groups_.end(), group) == groups_.end() && groups_.size() < kGroupsMax) groups_.push_back(group);
  }
}

const IpAddress& Listeners::link_local() const noexcept {
  for (const InterfaceAddress& entry : context_.routes.addresses()) {
    if (is_link_local_v6(entry.address)) return entry.address;
  }
  return kUnspecifiedV6;
}

void Listeners::announce(bool settled) { report(kChangeToExclude, settled); }

void Listeners::receive(const Icmpv6Message& message) {
  const bool v1 = message.bytes == kQueryBytesV1;
  // RFC 3810 §5.1.14, §6.2: only a router on this link asks. Lengths between the two are nobody's (§8.1).
  if (!is_link_local_v6(*message.source) || message.hops != 1 || (!v1 && message.bytes < kQueryBytesV2)) {
    ++context_.counters.dropped_neighbor_message;
    return;
  }
  if (!context_.options.answers) return;
  // §6.2: after a random part of the time that the router gives, so that not all answer at once. One that asks about a single group is told
  // of all, which is as true.
  const uint64_t most_us = uint64_t{response_delay_max_ms(load_be16(message.data + 4), v1)} * 1'000;
  const uint64_t delay_us = siphash13(context_.options.key, reinterpret_cast<const uint8_t*>(&context_.now_us), sizeof context_.now_us) %
                            (most_us + 1);
  v1_ = v1;
  due_us_ = std::min(due_us_, context_.now_us + delay_us);
}

void Listeners::advance() {
  if (context_.now_us < due_us_) return;
  due_us_ = UINT64_MAX;
  if (!v1_) return report(kModeIsExclude, true);
  for (const IpAddress& group : groups_) report_v1(group);
}

void Listeners::report(uint8_t record, bool settled) {
  const auto count = static_cast<uint32_t>(groups_.size());
  const uint32_t bytes = wire::IcmpView::kBytes + count * kRecordBytes;
  nic::Packet* const packet = context_.allocate(bytes);
  if (packet == nullptr) return;
  std::memset(packet->data, 0, bytes);
  uint8_t* at = packet->data + wire::IcmpView::kBytes;
  for (const IpAddress& group : groups_) {
    at[0] = record;
    std::memcpy(at + 4, group.bytes, sizeof group.bytes);
    at += kRecordBytes;
  }
  // §5.2.13, RFC 3590: from the unspecified address as long as there is no other that is certainly ours.
  send(settled ? link_local() : kUnspecifiedV6, kAllReportRouters, packet, bytes, wire::icmpv6::kListenerReportV2, count);
}

void Listeners::report_v1(const IpAddress& group) {
  constexpr uint32_t kBytes = wire::IcmpView::kBytes + sizeof group.bytes;
  nic::Packet* const packet = context_.allocate(kBytes);
  if (packet == nullptr) return;
  std::memcpy(packet->data + wire::IcmpView::kBytes, group.bytes, sizeof group.bytes);
  send(link_local(), group, packet, kBytes, wire::icmpv6::kListenerReportV1, 0);
}

void Listeners::send(const IpAddress& source, const IpAddress& target, nic::Packet* packet, uint32_t bytes, uint8_t type, uint32_t word) {
  wire::Checksum sum;
  wire::add_pseudo_header_v6(sum, source.bytes, target.bytes, wire::kProtocolIcmpv6, bytes);
  wire::IcmpView::write(packet->data, bytes, type, 0, word, sum);
  std::memcpy(packet->push(sizeof kRouterAlert), kRouterAlert, sizeof kRouterAlert);
  const IpPacket ip{.local = &source, .remote = &target, .protocol = kHopByHop, .hops = 1};
  output_.send_to(ip, packet, bytes + sizeof kRouterAlert, multicast_mac(target));
}

}  // namespace sluice::net
