#pragma once

#include <cstdint>

namespace sluice::tcp {

enum class Congestion : uint8_t { kCubic, kNewReno };

// Limits and times of one core's TCP. Tables are reserved at start by these and never grow; memory that no connection has touched
// yet costs address space only.
struct TcpOptions {
  uint32_t capacity = 0;                  // largest StreamId + 1
  uint32_t orphans_max = 65'536;          // rows beyond capacity, for what is closed; where none is free, one of those gives way
  uint32_t orphans_sending_max = 0;       // closed with bytes out; beyond, the closing resets; 0: a quarter of the packets, 65,536 at least
  uint32_t half_open_max = 16'384;        // beyond, connections open by SYN cookies, without memory (RFC 4987 §3.6)
  uint32_t half_open_per_address_max = 1'024;  // of one remote address, likewise
  uint32_t spent_cookies_max = 262'144;   // remembered, so that none opens a second connection; beyond, about, the oldest is forgotten
  uint32_t time_wait_max = 262'144;       // beyond, the oldest is forgotten
  uint32_t active_max = 0;                // connections with bytes in flight, unread or out of order; 0: as many as there are packets

  uint32_t receive_window_initial = 65'535;  // grows with what a connection brings, while memory allows
  uint32_t receive_window_max = 4u << 20;
  uint32_t send_buffer = 4u << 20;        // bytes that a connection takes beyond what was acknowledged, at most twice its congestion window
  uint16_t mss_max = 0;                   // 0: what the interface's MTU allows

  Congestion congestion = Congestion::kCubic;
  bool ecn = true;                        // RFC 3168: offered when opening, accepted when offered
  bool timestamps = true;                 // RFC 7323
  bool sack = true;                       // RFC 2018
  bool nagle = false;                     // RFC 9293 §3.7.4; messages of one turn are put together anyway
  bool syn_cookies_always = false;        // keeps no half-open connection at all

  uint32_t rto_min_ms = 200;              // RFC 6298 §2.4 asks for 1 s; Linux and every peer of today uses 200 ms
  uint32_t rto_max_ms = 60'000;
  uint32_t retries_max = 12;              // of a segment, before the connection is given up (RFC 9293 §3.8.3, R2)
  uint32_t syn_retries_max = 7;           // 183 s (RFC 9293 §3.8.3, MUST-23: R2 of a SYN is 3 minutes at least)
  uint32_t syn_ack_retries_max = 5;       // 63 s: a client that still wants in sends its SYN again, and is answered anew
  uint32_t delayed_ack_ms = 40;           // RFC 9293 §3.8.6.3: below 500
  uint32_t time_wait_ms = 60'000;         // 2 MSL
  uint32_t fin_wait2_ms = 60'000;         // for the FIN of a peer when the application is gone
  uint32_t path_mtu_raise_ms = 600'000;   // RFC 1191 §6.3, RFC 8201 §4: after so long a larger packet is tried again; 0: never
  uint32_t keepalive_idle_ms = 0;         // RFC 9293 §3.8.4: off unless asked for
  uint32_t keepalive_interval_ms = 75'000;
  uint32_t keepalive_probes = 9;

  bool populate = false;                  // small tables that a flood fills are paid for at once, not page by page while it lasts

  uint32_t challenge_acks_per_s = 1'000;  // RFC 5961 §7, on average: in each second another number
  uint32_t resets_per_s = 10'000;         // answers to segments that belong to no connection
  uint16_t port_first = 49'152;           // RFC 6335 §6: local ports of active opens
  uint16_t port_last = 65'535;
};

}  // namespace sluice::tcp
