#include "base/bytes.hpp"
#include "net/input.hpp"
#include "wire/icmp.hpp"
#include "wire/ipv4.hpp"
#include "wire/ipv6.hpp"
#include "wire/tcp.hpp"

namespace sluice::net {

namespace {

constexpr uint32_t kLongest = 65'535;
constexpr uint32_t kFragmentHeader = 8;
constexpr uint32_t kLengthFieldV6 = 4;

// RFC 1858 §3, RFC 3128: a first fragment that ends in front of TCP's flags, or a second one that would replace them, is made to get past
// a filter.
bool tiny(const Fragment& fragment) noexcept {
  constexpr uint32_t kThroughFlags = 16;
  if (fragment.protocol != wire::kProtocolTcp) return false;
  return fragment.offset == 0 ? fragment.bytes < kThroughFlags : fragment.offset < kThroughFlags;
}

uint32_t least_upper_header(uint8_t protocol) noexcept {
  if (protocol == wire::kProtocolTcp) return wire::TcpView::kMinBytes;
  return protocol == wire::kProtocolIcmpv6 || protocol == wire::kProtocolUdp ? 8 : 0;
}

// RFC 8200 §4.5, RFC 7112: the first fragment has all headers, the upper layer's included.
bool has_all_headers(const nic::Packet* frame, const Fragment& fragment) noexcept {
  const uint32_t present = frame->length - fragment.header_bytes;
  const auto upper = wire::find_ipv6_upper(fragment.protocol, frame->data + fragment.header_bytes, present);
  return upper && present - upper->offset >= least_upper_header(upper->protocol);
}

}  // namespace

void Input::gather(nic::Packet* frame, const Fragment& fragment) {
  nic::Packet* const whole = fragments_.take(frame, fragment);
  if (whole == nullptr) return;
  const bool group = fragment.addressing->for_group;
  whole_ = true;
  start_ = whole->data;
  if (fragment.addressing->target.is_v4()) {
    take_v4(whole, group);
  } else {
    take_v6(whole, group);
  }
  whole_ = false;
}

void Input::take_fragment_v4(nic::Packet* frame, const Addressing& addressing) {
  const auto ip = wire::Ipv4View::parse(frame->data, frame_bytes(frame));
  const uint8_t protocol = ip->protocol();
  // The kernel puts together what is not ours. Of TCP and ICMP it would answer for us.
  const bool ours = protocol == wire::kProtocolTcp || protocol == wire::kProtocolIcmp;
  if (!ours && exceptions_.divert(ExceptionKind::kProtocols, frame, start_)) return;
  Fragment fragment{};
  fragment.addressing = &addressing;
  fragment.id = ip->identification();
  fragment.offset = ip->fragment_offset();
  fragment.bytes = ip->payload_bytes();
  fragment.header_bytes = ip->header_bytes();
  fragment.protocol = protocol;
  fragment.ecn = ip->ecn();
  fragment.more = ip->more_fragments();
  const bool uneven = fragment.more && fragment.bytes % 8 != 0;
  const bool too_long = fragment.header_bytes + fragment.offset + fragment.bytes > kLongest;
  if (fragment.bytes == 0 || uneven || too_long || tiny(fragment)) return context_.drop(frame, context_.counters.dropped_fragment);
  gather(frame, fragment);
}

void Input::take_fragment_v6(nic::Packet* frame, const Addressing& addressing, const wire::Ipv6Upper& upper) {
  // A packet of fragments of which one is whole again and still a fragment is nothing that a sender makes.
  if (whole_) return context_.drop(frame, context_.counters.dropped_fragment);
  const bool ours = upper.protocol != wire::kProtocolUdp;
  if (!ours && exceptions_.divert(ExceptionKind::kProtocols, frame, start_)) return;
  const auto ip = wire::Ipv6View::parse(frame->data, frame_bytes(frame));
  const uint8_t* const header = ip->payload() + upper.offset - kFragmentHeader;
  Fragment fragment{};
  fragment.addressing = &addressing;
  fragment.id = load_be32(header + 4);
  fragment.offset = load_be16(header + 2) & 0xfff8u;
  fragment.bytes = ip->payload_bytes() - upper.offset;
  fragment.header_bytes = wire::Ipv6View::kBytes + upper.offset;
  fragment.protocol = upper.protocol;
  fragment.named_at = upper.fragment_named_at;
  fragment.ecn = ip->ecn();
  fragment.more = (header[3] & 1) != 0;
  const auto problem = [&](uint8_t code, uint32_t pointer) {
    refusal_.report(frame, {code, pointer}, addressing);
    context_.drop(frame, context_.counters.dropped_fragment);
  };
  if (fragment.more && fragment.bytes % 8 != 0) return problem(wire::kProblemField, kLengthFieldV6);
  const bool too_long = upper.offset - kFragmentHeader + fragment.offset + fragment.bytes > kLongest;
  if (too_long) return problem(wire::kProblemField, fragment.header_bytes - kFragmentHeader + 2);
  if (fragment.bytes == 0) return context_.drop(frame, context_.counters.dropped_fragment);
  if (fragment.offset == 0 && !has_all_headers(frame, fragment)) return problem(wire::kProblemFirstFragment, 0);
  gather(frame, fragment);
}

}  // namespace sluice::net
