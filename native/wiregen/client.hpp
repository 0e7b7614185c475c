#pragma once

#include <cstdint>

namespace sluice::wiregen {

using ClientId = uint32_t;
inline constexpr ClientId kNoClient = UINT32_MAX;

// TCP as this side needs it. What RFC 9293 tells apart while closing follows from kFinQueued, kFinReceived and what is acknowledged.
enum class TcpState : uint8_t {
  kClosed,       // nothing there: segments are answered by RST
  kSynSent,
  kEstablished,  // until both FINs are sent and acknowledged
  kTimeWait,     // only answers a repeated FIN; left when the client opens again
};

// Where the client is in its conversation.
enum class Step : uint8_t {
  kNone,
  kUpgrading,
  kHello,
  kSubscribing,
  kReady,
  kClosing,   // close frame sent, the peer's is awaited
  kEnded,     // close frames exchanged, or the peer ended
};

enum ClientFlag : uint16_t {
  kInWheel = 1 << 0,
  kAckOwed = 1 << 1,
  kTouched = 1 << 2,       // on the list of those that this burst may have something to send for
  kFinQueued = 1 << 3,
  kFinReceived = 1 << 4,
  kPartial = 1 << 5,       // the assembler holds the beginning of a message
  kRewound = 1 << 6,       // retransmitting: the peer may acknowledge beyond snd_nxt
  kProbing = 1 << 7,       // `stamp` belongs to message `probe`
  kSlowReader = 1 << 8,    // the window opens by hand
  kResuming = 1 << 9,      // hello presents the token of the session before
  kLeaving = 1 << 10,      // the scenario lets it go: its end is no loss
  kSilent = 1 << 11,       // answers neither ping nor heartbeat
  kTimestamps = 1 << 12,   // the connection agreed on them (RFC 7323)
};

// All that is kept of one client. Bytes that were sent are a function of the client and of what stands in `runs`, so none are held.
struct Client {
  static constexpr uint32_t kRuns = 6;

  uint32_t snd_una;
  uint32_t snd_nxt;
  uint32_t queue_seq;    // sequence number of the first byte of the first queued item
  uint32_t rcv_nxt;
  ClientId timer_next;
  uint32_t sent;         // messages queued in this phase: their numbers are 1 to `sent`
  uint32_t received;     // answers to them
  uint32_t stamp;        // when the probe was queued
  union {
    uint32_t probe;        // echo: number of the stamped message
    uint32_t channel_seq;  // gateway: server_seq of the last delivery
  };
  uint32_t peer_stamp;   // TSval to echo (RFC 7323 §4.3)
  uint16_t runs[kRuns];  // SendQueue
  uint16_t window;       // the peer's, unscaled
  uint16_t sent_tick;    // when the oldest byte in flight was sent
  uint16_t read_window;  // kSlowReader: bytes that may still come
  uint16_t flags;        // ClientFlag
  uint8_t generation;    // life of the connection: picks the port and the sequence numbers
  uint8_t shift_retries; // window shift (high half), timeouts in a row (low half)
  uint8_t run_count;     // runs in use (low half), duplicate acknowledgements (high half)
  uint8_t state_step;    // TcpState (high half), Step (low half)

  bool has(uint16_t bits) const noexcept { return (flags & bits) != 0; }
  void set(uint16_t bits) noexcept { flags = static_cast<uint16_t>(flags | bits); }
  void clear(uint16_t bits) noexcept { flags = static_cast<uint16_t>(flags & ~bits); }

  TcpState state() const noexcept { return static_cast<TcpState>(state_step >> 4); }
  void state(TcpState value) noexcept { state_step = static_cast<uint8_t>(static_cast<uint8_t>(value) << 4 | (state_step & 15)); }
  Step step() const noexcept { return static_cast<Step>(state_step & 15); }
  void step(Step value) noexcept { state_step = static_cast<uint8_t>((state_step & 0xf0) | static_cast<uint8_t>(value)); }

  uint32_t window_bytes() const noexcept { return static_cast<uint32_t>(window) << (shift_retries >> 4); }
  void window_shift(uint8_t shift) noexcept { shift_retries = static_cast<uint8_t>(shift << 4 | (shift_retries & 15)); }
  uint32_t retries() const noexcept { return shift_retries & 15u; }
  void retries(uint32_t count) noexcept { shift_retries = static_cast<uint8_t>((shift_retries & 0xf0) | (count & 15)); }
  uint32_t runs_used() const noexcept { return run_count & 15u; }
  void runs_used(uint32_t count) noexcept { run_count = static_cast<uint8_t>((run_count & 0xf0) | count); }
  uint32_t duplicate_acks() const noexcept { return run_count >> 4; }
  void duplicate_acks(uint32_t count) noexcept {
    run_count = static_cast<uint8_t>((count > 15 ? 15u : count) << 4 | (run_count & 15));
  }
};
static_assert(sizeof(Client) == 64, "a client is one cache line");

}  // namespace sluice::wiregen
