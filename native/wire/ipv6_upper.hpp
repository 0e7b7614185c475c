#pragma once

#include <cstdint>
#include <optional>

namespace sluice::wire {

// What becomes of a packet for its extension headers (RFC 8200 §4).
enum class Ipv6Verdict : uint8_t {
  kTake,
  kDiscard,
  kProblem,  // the sender is told: ICMPv6 Parameter Problem with `code` at `pointer`
};

// Codes of Parameter Problem (RFC 4443 §3.4).
inline constexpr uint8_t kProblemField = 0;
inline constexpr uint8_t kProblemNextHeader = 1;
inline constexpr uint8_t kProblemOption = 2;
inline constexpr uint8_t kProblemFirstFragment = 3;  // RFC 8200 §4.5: not all headers are in it

struct Ipv6Upper {
  uint8_t protocol = 0;
  uint32_t offset = 0;    // from the first byte behind the fixed header
  uint32_t named_at = 6;  // where in the packet `protocol` is named
  uint32_t fragment_named_at = 0;  // with `fragment`: where its header is named
  bool fragment = false;  // a fragment header was passed that does not cover the whole packet
  Ipv6Verdict verdict = Ipv6Verdict::kTake;
  uint8_t code = 0;
  uint32_t pointer = 0;   // from the first byte of the packet
  bool tell_groups = false;  // with kProblem: also where the packet went to a group (RFC 8200 §4.2, options of the kind 10)
};

// Walks the extension headers to the upper layer; nothing where they are cut off or too many. At most 8 are looked at, which bounds the
// work that a packet can cause.
std::optional<Ipv6Upper> find_ipv6_upper(uint8_t next_header, const uint8_t* data, uint32_t length) noexcept;

}  // namespace sluice::wire
