#pragma once

#include <cstdint>

namespace sluice::net {

// Monotonic totals of one interface by name: one list for the struct and for whoever prints them. What is dropped is counted by the
// reason.
#define SLUICE_NET_COUNTERS(X)                                                                          \
  X(frames_in)                                                                                          \
  X(frames_out)                                                                                         \
  X(segments_in)                                                                                        \
  X(segments_out)                                                                                       \
  X(segments_gathered)         /* of these, sent within another's frame, which the device cuts */       \
  X(dropped_short)             /* a header or its stated length is cut off */                           \
  X(dropped_not_ours)          /* another station's, VLAN's or address's, or a family not spoken */     \
  X(dropped_martian)           /* a source, a pair of addresses or a source route that cannot be */     \
  X(dropped_fragment)          /* malformed, doubled, or of a packet that was given up */               \
  X(dropped_checksum)                                                                                   \
  X(dropped_protocol)          /* ours, but nobody here speaks it */                                    \
  X(dropped_neighbor_message)  /* ARP or neighbour discovery that breaks its rules */                   \
  X(dropped_icmp)              /* ICMP that is malformed or of no use */                                \
  X(fragments_in)              /* kept, to put packets together */                                      \
  X(packets_reassembled)                                                                                \
  X(fragments_refused)         /* packets given up: fragments overlap, contradict, or are too many */   \
  X(fragments_evicted)         /* packets given up for others */                                        \
  X(fragments_timed_out)       /* packets not complete within a minute */                               \
  X(unsent_no_route)                                                                                    \
  X(unsent_unresolved)         /* the neighbour did not answer, or too much waited for it */            \
  X(unsent_device_full)                                                                                 \
  X(unsent_no_packet)                                                                                   \
  X(unsent_too_big)                                                                                     \
  X(echo_requests)                                                                                      \
  X(icmp_errors_in)                                                                                     \
  X(icmp_errors_out)                                                                                    \
  X(icmp_errors_limited)                                                                                \
  X(neighbor_requests_in)                                                                               \
  X(neighbor_requests_out)                                                                              \
  X(address_conflicts)

struct NetCounters {
#define SLUICE_NET_FIELD(name) uint64_t name = 0;
  SLUICE_NET_COUNTERS(SLUICE_NET_FIELD)
#undef SLUICE_NET_FIELD

  uint64_t dropped() const noexcept {
    return dropped_short + dropped_not_ours + dropped_martian + dropped_fragment + dropped_checksum + dropped_protocol +
           dropped_neighbor_message + dropped_icmp;
  }
};

}  // namespace sluice::net
