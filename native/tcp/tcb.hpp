#pragma once

#include <cstddef>
#include <cstdint>

#include "base/stream.hpp"
#include "net/address.hpp"
#include "tcp/seq.hpp"
#include "tcp/slab.hpp"
#include "tcp/tcp_driver.hpp"

namespace sluice::tcp {

enum TcbFlag : uint32_t {
  kUsed = 1u << 0,
  kTimestamps = 1u << 1,       // negotiated (RFC 7323 §3.2)
  kSackOk = 1u << 2,           // negotiated (RFC 2018 §2)
  kEcnOk = 1u << 3,            // negotiated (RFC 3168 §6.1.1)
  kEchoCongestion = 1u << 4,   // ECE on everything that is sent, until CWR comes (RFC 3168 §6.1.3)
  kSendCwr = 1u << 5,          // on the next new data (RFC 3168 §6.1.2)
  kPaused = 1u << 6,
  kFinReceived = 1u << 7,      // in order
  kEndTold = 1u << 8,          // on_end was called
  kFinQueued = 1u << 9,        // the application sends no more
  kFinWaiting = 1u << 10,      // and there was no packet to say so
  kWantWritable = 1u << 11,
  kOrphan = 1u << 12,          // the application is gone
  kAckNow = 1u << 13,          // owed with the next flush
  kAckDelayed = 1u << 14,      // owed when delayed_ack_ms are over
  kInAckList = 1u << 15,
  kInDelayQueue = 1u << 16,
  kInReadList = 1u << 17,
  kInWriteList = 1u << 18,
  kPathMtuLearned = 1u << 19,  // mss is below what the interface allows
  kActiveOpen = 1u << 20,
  kCwndLimited = 1u << 21,     // the congestion window held back data since it was last looked at
  kHashed = 1u << 22,          // in the flow table
  kDying = 1u << 23,           // given up, its row not yet free
  kWindowScaled = 1u << 24,
  kAwaitsFree = 1u << 25,      // in the list of rows to be freed
  kPathMtuAged = 1u << 26,     // what was learned of the path has been seen by one pass that looks for what is old
  kPathMtuGuessed = 1u << 27,  // no router said so
  kInOrphanList = 1u << 28,    // has no transfer, and the fields that sending data needs are the list's (orphans.hpp)
  kInIdleList = 1u << 29,
  kAckHeld = 1u << 30,         // owed in a moment: data most often takes it along (acknowledge.hpp)
  kInHeldQueue = 1u << 31,
};

// Of Tcb::ts_recent_age: a byte goes around with the clock of milliseconds, every 49 days.
inline constexpr uint32_t kAgeShift = 24;
inline uint8_t age_now(uint32_t now_ms) noexcept { return static_cast<uint8_t>(now_ms >> kAgeShift); }

// In Tcb::transfer: the rest is the index of a record, the first of a short flight (short_flight.hpp).
inline constexpr uint32_t kShortFlight = 1u << 31;

inline constexpr uint32_t kListed = kInAckList | kInDelayQueue | kInReadList | kInWriteList | kInIdleList | kInHeldQueue;

// One synchronized connection (and those on their way there by active or simultaneous open). Two cache lines: the first has what
// finding a connection and moving data in order needs. Whatever exists only while bytes are in flight, unread or out of order is in
// its Transfer.
struct Tcb {
  net::IpAddress remote;
  uint16_t remote_port;
  uint16_t local_port;
  uint8_t local;              // index into the stack's own addresses
  State state;
  uint8_t shifts;             // window scales: sending << 4 | receiving
  uint8_t quick_acks : 4;     // segments still to be acknowledged at once
  uint8_t window_log : 4;     // the window is receive_window_initial << window_log
  StreamId stream;
  uint32_t transfer;          // kNone: none
  Seq rcv_nxt;
  Seq rcv_edge;               // right edge of the window that the peer was told
  Seq snd_una;
  Seq snd_nxt;
  uint32_t snd_wnd;
  uint32_t ts_recent;
  uint32_t flags;
  uint16_t mss;               // payload bytes of a full segment, options that all segments carry taken off
  uint16_t rcv_mss;           // largest payload that came

  Seq snd_wl1;
  Seq snd_wl2;
  Seq last_ack_sent;
  uint32_t ts_offset;         // of our timestamps (RFC 7323 §5.4 and appendix)
  uint32_t srtt_us8;          // eight times the smoothed round trip
  uint32_t rttvar_us4;        // four times its variation
  union {
    uint32_t cwnd;
    uint32_t orphan_due_ms;
  };
  union {
    uint32_t ssthresh;
    uint32_t orphan_next;
  };
  uint32_t snd_wnd_max;
  uint32_t last_receive_ms;
  uint32_t last_send_ms;
  union {
    uint32_t w_max;           // CUBIC's, across recoveries
    uint32_t orphan_previous;
  };
  Seq grow_at;                // when this is received the window grows
  uint16_t retransmits;       // segments, since it began; stays at its limit
  union {
    uint16_t peer_mss;        // as announced
    uint16_t orphan_list;
  };
  uint8_t ts_recent_age;      // when ts_recent was set, in units of 2^24 ms
  uint8_t keepalive_sent : 4;
  uint8_t lossy : 4;          // what came shows gaps: how much more is acknowledged promptly (acknowledge.hpp)
  uint16_t challenge_ms16;    // when the last challenge was sent, in units of 16 ms
  uint32_t free_next;         // in use: the flow's hash

  bool has(TcbFlag flag) const noexcept { return (flags & flag) != 0; }
  void set(TcbFlag flag) noexcept { flags |= flag; }
  void clear(TcbFlag flag) noexcept { flags &= ~static_cast<uint32_t>(flag); }
  uint32_t send_shift() const noexcept { return shifts >> 4; }
  uint32_t receive_shift() const noexcept { return shifts & 15; }
  bool has_transfer() const noexcept { return transfer < kShortFlight; }
  bool in_short_flight() const noexcept { return transfer >= kShortFlight && transfer != kNone; }
  uint32_t in_flight() const noexcept { return snd_nxt - snd_una; }
  uint32_t receive_window() const noexcept { return rcv_edge - rcv_nxt; }
  void count_retransmit() noexcept {
    if (retransmits != UINT16_MAX) ++retransmits;
  }
};
static_assert(sizeof(Tcb) == 128);
static_assert(offsetof(Tcb, snd_wl1) == 64, "what data in order needs is in the first cache line");

// States in which the peer may still send data.
inline bool may_receive(State state) noexcept {
  return state == State::kEstablished || state == State::kFinWait1 || state == State::kFinWait2;
}
// States in which this side may still send data.
inline bool may_send(State state) noexcept { return state == State::kEstablished || state == State::kCloseWait; }

}  // namespace sluice::tcp
