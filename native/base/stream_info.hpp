#pragma once

#include <cstdint>

namespace sluice {

// RFC 9293 §3.3.2, numbered as Linux does in /proc/net/tcp.
enum class StreamState : uint8_t {
  kUnknown = 0,
  kEstablished = 1,
  kSynSent = 2,
  kSynReceived = 3,
  kFinWait1 = 4,
  kFinWait2 = 5,
  kTimeWait = 6,
  kClosed = 7,
  kCloseWait = 8,
  kLastAck = 9,
  kListen = 10,
  kClosing = 11,
};

enum StreamFlag : uint8_t {
  kStreamTimestamps = 1 << 0,
  kStreamSack = 1 << 1,
  kStreamWindowScale = 1 << 2,
  kStreamEcn = 1 << 3,
};

// How congestion control sees the path.
enum class StreamPhase : uint8_t { kOpen = 0, kDisorder = 1, kReduced = 2, kRecovery = 3, kLoss = 4 };

// What `ss -ti` would say of a connection. Bytes and microseconds; in the region as it stands. All zero: not known.
struct StreamInfo {
  uint8_t local_ip[16];   // network order; IPv4 uses the first four bytes
  uint8_t remote_ip[16];
  uint16_t local_port;    // host order
  uint16_t remote_port;
  uint8_t family;         // 4 or 6
  StreamState state;
  StreamPhase phase;
  uint8_t flags;
  uint8_t send_shift;     // window scales (RFC 7323 §2)
  uint8_t receive_shift;
  uint16_t backoff;       // of the retransmission timer (RFC 6298 §5.5)
  uint32_t mss;           // payload bytes of a full segment
  uint32_t cwnd;
  uint32_t ssthresh;      // UINT32_MAX: none yet
  uint32_t srtt_us;
  uint32_t rttvar_us;
  uint32_t rto_us;
  uint32_t send_window;
  uint32_t receive_window;
  uint32_t in_flight;
  uint32_t send_queue;    // accepted by the stack and not acknowledged
  uint32_t receive_queue; // in order and not delivered
  uint32_t out_of_order;
  uint32_t lost;          // of the bytes in flight, those that are taken for lost
  uint32_t retransmits;   // segments, since the connection began
  uint32_t last_sent_ms;  // ago
  uint32_t last_received_ms;
};
static_assert(sizeof(StreamInfo) == 108);

}  // namespace sluice
