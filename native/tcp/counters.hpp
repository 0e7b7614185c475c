#pragma once

#include <cstdint>

namespace sluice::tcp {

// Monotonic totals by name: one list for the struct and for whoever prints them.
#define SLUICE_TCP_COUNTERS(X)                                                                        \
  X(segments_in)                                                                                      \
  X(segments_out)                                                                                     \
  X(bytes_in)                 /* payload, delivered in order */                                       \
  X(bytes_out)                /* payload, first transmissions */                                      \
  X(passive_opens)                                                                                    \
  X(active_opens)                                                                                     \
  X(open_failures)                                                                                    \
  X(syns_in)                                                                                          \
  X(syn_cookies_sent)                                                                                 \
  X(syn_cookies_good)                                                                                 \
  X(syn_cookies_bad)                                                                                  \
  X(half_open_expired)                                                                                \
  X(refused_full)             /* no row, or the sink said no */                                       \
  X(resets_in)                                                                                        \
  X(resets_out)                                                                                       \
  X(resets_limited)                                                                                   \
  X(challenge_acks)                                                                                   \
  X(challenge_acks_limited)                                                                           \
  X(retransmits)              /* segments */                                                          \
  X(retransmit_timeouts)                                                                              \
  X(tail_loss_probes)                                                                                 \
  X(fast_recoveries)                                                                                  \
  X(losses_by_rack)                                                                                   \
  X(losses_by_dupacks)                                                                                \
  X(spurious_timeouts)        /* undone: F-RTO or Eifel */                                            \
  X(spurious_recoveries)      /* undone: D-SACK or Eifel */                                           \
  X(sacks_in)                                                                                         \
  X(sacks_invalid)                                                                                    \
  X(sack_reneges)                                                                                     \
  X(dsacks_in)                                                                                        \
  X(dsacks_out)                                                                                       \
  X(out_of_order)             /* segments kept */                                                     \
  X(duplicates_in)            /* segments with nothing new */                                         \
  X(acks_delayed)                                                                                     \
  X(acks_pure)                                                                                        \
  X(window_probes)                                                                                    \
  X(keepalive_probes)                                                                                 \
  X(keepalive_timeouts)                                                                               \
  X(timeouts)                 /* connections given up */                                              \
  X(ecn_negotiated)                                                                                   \
  X(ecn_reductions)                                                                                   \
  X(ecn_marks_in)                                                                                     \
  X(path_mtu_reductions)                                                                              \
  X(path_mtu_raises)                                                                                  \
  X(black_holes)                                                                                      \
  X(icmp_ignored)                                                                                     \
  X(time_wait_entered)                                                                                \
  X(time_wait_reused)                                                                                 \
  X(time_wait_evicted)                                                                                \
  X(orphans_killed)                                                                                   \
  X(dropped_no_connection)                                                                            \
  X(dropped_bad_options)                                                                              \
  X(dropped_paws)                                                                                     \
  X(dropped_window)                                                                                   \
  X(dropped_bad_ack)                                                                                  \
  X(dropped_no_ack)                                                                                   \
  X(dropped_memory)           /* within the window, no packet or record to keep it */                 \
  X(send_no_packet)                                                                                   \
  X(send_failed)              /* the IP layer dropped it */

struct TcpCounters {
#define SLUICE_TCP_FIELD(name) uint64_t name = 0;
  SLUICE_TCP_COUNTERS(SLUICE_TCP_FIELD)
#undef SLUICE_TCP_FIELD
};

// What there is now.
struct TcpGauges {
  uint32_t connections = 0;      // rows in use, orphans included
  uint32_t orphans = 0;
  uint32_t orphans_unacknowledged = 0;  // whose peers have not acknowledged all that was said to them
  uint32_t half_open = 0;
  uint32_t time_wait = 0;
  uint32_t active = 0;           // records of connections with bytes in flight, unread or out of order
  uint32_t packets_sending = 0;  // kept until acknowledged
  uint32_t packets_received = 0; // kept until they are in order or read
};

}  // namespace sluice::tcp
