#include "wire/ipv6_upper.hpp"

#include "base/bytes.hpp"

namespace sluice::wire {

namespace {

constexpr uint8_t kHopByHop = 0;
constexpr uint8_t kRouting = 43;
constexpr uint8_t kFragment = 44;
constexpr uint8_t kDestination = 60;
constexpr uint32_t kFixedHeader = 40;
constexpr int kHeadersMax = 8;

bool refuse(Ipv6Upper& upper, uint8_t code, uint32_t pointer) noexcept {
  upper.verdict = Ipv6Verdict::kProblem;
  upper.code = code;
  upper.pointer = pointer;
  return false;
}

// RFC 8200 §4.2: an option that nobody knows says itself, in its two highest bits, what to do about it. None changes what TCP does, so
// all but padding count as unknown. False where the packet is refused or the options do not fit their header.
bool pass_options(Ipv6Upper& upper, const uint8_t* data, uint32_t begin, uint32_t end) noexcept {
  constexpr uint8_t kPad1 = 0;
  for (uint32_t at = begin; at < end;) {
    const uint8_t type = data[at];
    if (type == kPad1) {
      ++at;
      continue;
    }
    if (end - at < 2 || end - at - 2 < data[at + 1]) {
      upper.verdict = Ipv6Verdict::kDiscard;
      return false;
    }
    const uint8_t action = type >> 6;
    if (action == 1) upper.verdict = Ipv6Verdict::kDiscard;
    if (action >= 2) {
      upper.tell_groups = action == 2;
      return refuse(upper, kProblemOption, kFixedHeader + at);
    }
    if (action != 0) return false;
    at += 2u + data[at + 1];
  }
  return true;
}

bool pass_header(Ipv6Upper& upper, const uint8_t* data, uint32_t bytes) noexcept {
  const uint32_t at = upper.offset;
  switch (upper.protocol) {
    case kHopByHop:
      // RFC 8200 §4.1: behind the fixed header only; elsewhere it is a header that is not recognized (§4).
      if (at != 0) return refuse(upper, kProblemNextHeader, upper.named_at);
      return pass_options(upper, data, at + 2, at + bytes);
    case kDestination: return pass_options(upper, data, at + 2, at + bytes);
    case kRouting:
      // RFC 8200 §4.4: no type is known here, so one that still has segments to visit is refused, and any other is passed over.
      return data[at + 3] == 0 || refuse(upper, kProblemField, kFixedHeader + at + 2);
    default:
      // RFC 6946: an atomic fragment (offset 0, no more) is a whole packet.
      upper.fragment = (load_be16(data + at + 2) & 0xfff9) != 0;
      upper.fragment_named_at = upper.named_at;
      return true;
  }
}

}  // namespace

std::optional<Ipv6Upper> find_ipv6_upper(uint8_t next_header, const uint8_t* data, uint32_t length) noexcept {
  Ipv6Upper upper;
  upper.protocol = next_header;
  for (int seen = 0; seen < kHeadersMax; ++seen) {
    const uint8_t kind = upper.protocol;
    if (kind != kHopByHop && kind != kRouting && kind != kFragment && kind != kDestination) return upper;
    if (length < 8 || upper.offset > length - 8) return std::nullopt;
    const uint32_t bytes = kind == kFragment ? 8 : (data[upper.offset + 1] + 1u) * 8;
    if (bytes > length - upper.offset) return std::nullopt;
    if (!pass_header(upper, data, bytes)) return upper;
    upper.protocol = data[upper.offset];
    upper.named_at = kFixedHeader + upper.offset;
    upper.offset += bytes;
    if (upper.fragment) return upper;
  }
  return std::nullopt;
}

}  // namespace sluice::wire
