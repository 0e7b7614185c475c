#pragma once

#include <cstdint>

namespace sluice::net {

// Monotonic totals of one interface. What is dropped is counted by the reason.
struct NetCounters {
  uint64_t frames_in = 0;
  uint64_t frames_out = 0;
  uint64_t segments_in = 0;
  uint64_t segments_out = 0;

  uint64_t dropped_short = 0;         // a header or its stated length is cut off
  uint64_t dropped_not_ours = 0;      // another station's, VLAN's or address's, or a protocol family that is not spoken
  uint64_t dropped_martian = 0;       // a source or a pair of addresses that cannot be
  uint64_t dropped_fragment = 0;
  uint64_t dropped_checksum = 0;
  uint64_t dropped_protocol = 0;      // ours, but nobody here speaks it
  uint64_t dropped_neighbor_message = 0;  // ARP or neighbour discovery that breaks its rules
  uint64_t dropped_icmp = 0;          // ICMP that is malformed or of no use

  uint64_t unsent_no_route = 0;
  uint64_t unsent_unresolved = 0;     // the neighbour did not answer, or too much waited for it
  uint64_t unsent_device_full = 0;
  uint64_t unsent_no_packet = 0;
  uint64_t unsent_too_big = 0;

  uint64_t echo_requests = 0;
  uint64_t icmp_errors_in = 0;
  uint64_t icmp_errors_out = 0;
  uint64_t icmp_errors_limited = 0;
  uint64_t neighbor_requests_in = 0;
  uint64_t neighbor_requests_out = 0;
  uint64_t address_conflicts = 0;

  uint64_t dropped() const noexcept {
    return dropped_short + dropped_not_ours + dropped_martian + dropped_fragment + dropped_checksum + dropped_protocol +
           dropped_neighbor_message + dropped_icmp;
  }
};

}  // namespace sluice::net
