#pragma once

#include <cstdint>

#include "net/context.hpp"
#include "net/icmp.hpp"
#include "net/ip_output.hpp"

namespace sluice::net {

// Tells senders that what they sent to us has no receiver here: ports of UDP and whole protocols (RFC 1122 §3.2.2.1, RFC 4443 §3.1,
// §3.4). Limited in rate as RFC 1812 §4.3.2.8 and RFC 4443 §2.4 (f) ask.
class IcmpRefusal {
 public:
  IcmpRefusal(Context& context, IpOutput& output) : context_(context), output_(output) {}

  // `packet` is the refused IP packet with its header, of `header_bytes` (extension headers included). `protocol_offset`: where an
  // unknown IPv6 next header was named.
  void refuse(const nic::Packet* packet, uint32_t header_bytes, uint8_t protocol, const Addressing& addressing, uint32_t protocol_offset);

  struct Problem {
    uint8_t code;
    uint32_t pointer;  // from the first byte of the packet
  };
  // Not all of its fragments came in time (RFC 792, RFC 4443 §3.3); `packet` is the first.
  void timed_out(const nic::Packet* packet, const Addressing& addressing);
  // An IPv6 header that cannot be processed (RFC 4443 §3.4).
  void report(const nic::Packet* packet, const Problem& problem, const Addressing& addressing);

 private:
  static constexpr uint32_t kPerSecond = 100;
  static constexpr uint32_t kBurst = 50;
  // RFC 1812 §4.3.2.3 and RFC 4443 §3.1: as much of the packet as fits the smallest packet that every link must carry.
  static constexpr uint32_t kLargestV4 = 576;
  static constexpr uint32_t kLargestV6 = 1280;

  struct Error {
    uint8_t type;
    uint8_t code;
    uint32_t word;
  };

  bool allowed() noexcept;
  void send(const nic::Packet* packet, const Error& error, const Addressing& addressing);

  Context& context_;
  IpOutput& output_;
  uint32_t tokens_ = kBurst;
  uint64_t refilled_us_ = 0;
};

}  // namespace sluice::net
