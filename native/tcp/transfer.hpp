#pragma once

#include <cstddef>
#include <cstdint>

#include "nic/packet.hpp"
#include "tcp/seq.hpp"
#include "tcp/slab.hpp"
#include "wire/tcp_options.hpp"

namespace sluice::tcp {

enum class TimerKind : uint8_t {
  kNone,
  kRetransmit,  // RFC 6298
  kProbeTail,   // RFC 8985 §7
  kReorder,     // RFC 8985 §6.2
  kPersist,     // RFC 9293 §3.8.6.1
  kSyn,         // SYN or SYN-ACK of an active or simultaneous open
  kRetry,       // nothing could be sent for want of a packet
};

// RFC 5681 §3.2, RFC 3168 §6.1.2, RFC 6298 §5.
enum class Phase : uint8_t { kOpen, kReduced, kRecovery, kLoss };

// RFC 9406, and the trains of HyStart: the state of slow start's search for its end.
struct HyStart {
  Seq round_end;
  uint32_t train_begin_us = 0;        // 0: none
  uint32_t train_end_us = 0;
  uint32_t stream_begin_us = 0;       // the same, whether data waits for the window or not
  uint32_t round_min_us = UINT32_MAX;
  uint32_t last_min_us = UINT32_MAX;
  uint32_t baseline_us = UINT32_MAX;  // of conservative slow start
  uint8_t samples = 0;
  uint8_t css_rounds = 0;             // 0: not in conservative slow start
  bool started = false;
};

struct CubicEpoch {
  uint32_t start_ms = 0;    // 0: none
  uint32_t k_ms = 0;
  uint32_t origin = 0;      // W_max of this epoch, bytes
  uint32_t w_est = 0;
  uint32_t credit = 0;      // bytes acknowledged that have not yet made a whole segment of growth
  uint32_t est_credit = 0;
};

// What a connection has only while bytes are in flight, waiting to be sent, unread or out of order. Taken from a slab when that
// begins and given back when it is over; an idle connection has none.
struct alignas(64) Transfer {
  // What a message and its acknowledgement look at lies in the first three cache lines (kHotBytes).
  // Send queue, in order of sequence numbers: first what is not acknowledged, then what was never sent.
  nic::Packet* send_head = nullptr;
  nic::Packet* send_tail = nullptr;
  nic::Packet* send_next = nullptr;    // first that was never sent
  nic::Packet* lost_hint = nullptr;    // no packet before it waits to be sent again; null: from the head
  nic::Packet* sacked_last = nullptr;  // highest that a SACK named
  nic::Packet* rack_next = nullptr;    // all before it have arrived, are lost or were sent again; null: from the head
  // Received and not delivered, in order of sequence numbers; up to rcv_nxt it is acknowledged and waits to be read.
  nic::Packet* held_head = nullptr;

  // Timing wheel; the links are below.
  uint32_t due_ms = 0;
  uint32_t queued_ms = 0;              // where the wheel has it; due_ms may have moved on
  uint16_t bucket = UINT16_MAX;        // UINT16_MAX: not in the wheel
  TimerKind timer = TimerKind::kNone;
  uint8_t backoff = 0;
  uint32_t tcb = kNone;

  Seq write_end;                       // behind the last byte that was queued, FIN included
  uint32_t unread_bytes = 0;
  bool fin_known = false;              // of a FIN that came out of order
  uint8_t unanswered_probes = 0;       // zero-window probes that nothing came back for
  uint8_t block_count = 0;             // of `blocks`
  bool blocks_forgotten = false;       // there were more of them
  uint16_t dupacks = 0;
  Phase phase = Phase::kOpen;
  uint8_t frto = 0;                    // RFC 5682: step
  // RFC 8985 §5.2, §7.1
  bool rack_valid = false;
  bool tail_probe_out = false;

  // Scoreboard (RFC 6675 §3): of the bytes between SND.UNA and SND.NXT.
  uint32_t sacked_bytes = 0;
  uint32_t lost_bytes = 0;
  uint32_t again_bytes = 0;            // lost, sent again and not yet accounted for
  uint32_t sacked_packets = 0;
  uint32_t reno_bytes = 0;             // without SACK: what duplicate acknowledgements say has left the network
  Seq sacked_end;

  uint32_t rack_sent_us = 0;
  uint32_t rack_rtt_us = 0;
  Seq rack_end;
  uint32_t min_rtt_us = UINT32_MAX;
  uint32_t stalled_probes = 0;         // zero-window probes in a row
  uint32_t prr_out = 0;                // RFC 6937, with the two below
  HyStart hystart;

  // To be taken and given back, and in the timing wheel.
  uint32_t free_next = kNone;
  uint32_t timer_next = kNone;
  uint32_t timer_previous = kNone;

  // From here on: losses, reordering, a window that is full.
  nic::Packet* held_tail = nullptr;
  nic::Packet* unread_tail = nullptr;  // last that is in order; null: none
  uint32_t held_bytes = 0;             // out of order
  uint32_t held_packets = 0;           // out of order
  Seq fin_at;                          // with fin_known
  // What is out of order, most recently changed first (RFC 2018 §4).
  wire::SackBlock blocks[wire::TcpOptions::kMaxSacks];
  Seq recover;                         // SND.NXT when the phase began

  // Undoing (RFC 4015, RFC 3708).
  uint32_t prior_cwnd = 0;
  uint32_t prior_ssthresh = 0;
  uint32_t undo_ts = 0;                // our timestamp of the first retransmission; 0: none
  Seq undo_marker;
  int32_t undo_count = 0;              // retransmissions that no D-SACK has answered for
  bool undo_possible = false;

  // RFC 8985 §6, §7
  bool reordering_seen = false;
  bool tail_probe_is_retransmission = false;
  bool rack_dsack = false;
  Seq rack_dsack_round;
  Seq tail_probe_end;
  uint16_t rack_window_mult = 1;
  uint16_t rack_window_persist = 0;

  uint32_t prr_delivered = 0;
  uint32_t prr_flight = 0;             // RecoverFS

  uint32_t byte_credit = 0;            // RFC 3465: acknowledged in congestion avoidance
  CubicEpoch cubic;

  uint32_t resent_first = kNone;       // resent.hpp
  uint32_t resent_last = kNone;
  // What the peer's last blocks named, which is marked in the send queue: they come again with every acknowledgement.
  wire::SackBlock named[wire::TcpOptions::kMaxSacks];
  uint8_t named_count = 0;

  bool awaits_pace = false;            // pacing.hpp
  uint32_t paced_us = 0;               // what was sent is what the pace allows until then

  static constexpr size_t kHotBytes = 192;
};
static_assert(offsetof(Transfer, timer_previous) < Transfer::kHotBytes);
static_assert(sizeof(Transfer) == 384);

}  // namespace sluice::tcp
