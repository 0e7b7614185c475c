#include "net/icmp_refusal.hpp"

#include <algorithm>
#include <cstring>

#include "net/special_addresses.hpp"
#include "wire/icmp.hpp"
#include "wire/icmpv6.hpp"
#include "wire/ipv4.hpp"
#include "wire/ipv6.hpp"
#include "wire/ipv6_upper.hpp"

namespace sluice::net {

namespace {

constexpr uint8_t kV6CodePort = 4;
constexpr uint8_t kCodeReassembly = 1;  // of Time Exceeded, in both families

}  // namespace

bool IcmpRefusal::allowed() noexcept {
  const uint64_t elapsed_us = context_.now_us - refilled_us_;
  const uint64_t fresh = elapsed_us * kPerSecond / 1'000'000;
  if (fresh != 0) {
    tokens_ = static_cast<uint32_t>(std::min<uint64_t>(kBurst, tokens_ + fresh));
    refilled_us_ = context_.now_us;
  }
  if (tokens_ == 0) {
    ++context_.counters.icmp_errors_limited;
    return false;
  }
  --tokens_;
  return true;
}

void IcmpRefusal::refuse(const nic::Packet* packet, uint32_t header_bytes, uint8_t protocol, const Addressing& addressing,
                         uint32_t protocol_offset) {
  if (packet->length < header_bytes) return;
  const bool udp = protocol == wire::kProtocolUdp;
  if (addressing.target.is_v4()) {
    return send(packet, {wire::icmp::kUnreachable, udp ? wire::icmp::kCodePort : wire::icmp::kCodeProtocol, 0}, addressing);
  }
  if (udp) return send(packet, {wire::icmpv6::kUnreachable, kV6CodePort, 0}, addressing);
  report(packet, {wire::kProblemNextHeader, protocol_offset}, addressing);
}

void IcmpRefusal::timed_out(const nic::Packet* packet, const Addressing& addressing) {
  const bool v4 = addressing.target.is_v4();
  send(packet, {v4 ? wire::icmp::kTimeExceeded : wire::icmpv6::kTimeExceeded, kCodeReassembly, 0}, addressing);
}

void IcmpRefusal::report(const nic::Packet* packet, const Problem& problem, const Addressing& addressing) {
  send(packet, {wire::icmpv6::kParameterProblem, problem.code, problem.pointer}, addressing);
}

void IcmpRefusal::send(const nic::Packet* packet, const Error& error, const Addressing& addressing) {
  // Nothing that came to a group is answered with an error (RFC 1122 §3.2.2, RFC 4443 §2.4 (e)), and nothing that has no sender.
  if (addressing.for_group || addressing.source == kUnspecifiedV6 || !allowed()) return;
  const bool v4 = addressing.target.is_v4();
  const uint32_t header = v4 ? wire::Ipv4View::kMinBytes : wire::Ipv6View::kBytes;
  const uint32_t largest = (v4 ? kLargestV4 : kLargestV6) - header - wire::IcmpView::kBytes;
  const uint32_t quoted = std::min<uint32_t>(packet->length, largest);
  const uint32_t bytes = wire::IcmpView::kBytes + quoted;
  nic::Packet* const message = context_.allocate(bytes);
  if (message == nullptr) return;
  std::memcpy(message->data + wire::IcmpView::kBytes, packet->data, quoted);
  wire::Checksum sum;
  if (!v4) wire::add_pseudo_header_v6(sum, addressing.target.bytes, addressing.source.bytes, wire::kProtocolIcmpv6, bytes);
  wire::IcmpView::write(message->data, bytes, error.type, error.code, error.word, sum);
  ++context_.counters.icmp_errors_out;
  const IpPacket ip{.local = &addressing.target, .remote = &addressing.source,
                    .protocol = v4 ? wire::kProtocolIcmp : wire::kProtocolIcmpv6};
  output_.send(ip, message, bytes);
}

}  // namespace sluice::net
