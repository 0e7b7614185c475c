#pragma once

#include <cstdint>

#include "tcp/half_open.hpp"
#include "tcp/stack.hpp"

namespace sluice::tcp {

// Payload bytes that a segment to `remote` may carry beside a header without options, by the interface's MTU; 0: no route.
inline constexpr uint32_t kTimestampBytes = 12;  // of the option, with its padding
uint32_t interface_mss(const Stack& stack, const net::IpAddress& remote) noexcept;
// Our timestamps' clock: milliseconds (RFC 7323 §5.4), with an offset for each pair of addresses that nobody can guess.
uint32_t timestamp_offset(const Stack& stack, const net::Flow& flow) noexcept;

// Sends a packet whose data is at its payload. Takes one reference. Every segment carries the acknowledgement, so what was owed is paid.
bool send_segment(Stack& stack, Tcb& row, nic::Packet* packet, Seq seq, uint8_t flags, net::Ecn ecn);
// An acknowledgement by itself; `duplicate` is reported as a D-SACK block (RFC 2883) where SACK was agreed on.
void send_ack(Stack& stack, Tcb& row, const wire::SackBlock* duplicate = nullptr);
// A segment without payload at another sequence number than SND.NXT: window and keepalive probes.
void send_probe(Stack& stack, Tcb& row, Seq seq);
void send_reset(Stack& stack, Tcb& row);
// A FIN without bytes, of which no packet is kept.
void send_fin(Stack& stack, Tcb& row);

// SYN (flags kSyn) or SYN-ACK of an active or simultaneous open.
bool send_syn(Stack& stack, Tcb& row, uint8_t flags);
// SYN-ACK of a passive open.
struct SynAck {
  const net::Flow* flow;
  Seq iss;
  Seq irs;
  Negotiated agreed;
  uint32_t timestamp;
};
bool send_syn_ack(Stack& stack, const SynAck& answer);

// Without a connection: RST in answer to a segment (RFC 9293 §3.5.2), limited in rate.
void send_reset_for(Stack& stack, const net::Segment& segment);
struct BareAck {
  const net::Flow* flow;
  Seq seq;
  Seq ack;
  uint16_t window;
  bool timestamps;
  uint32_t timestamp;
  uint32_t timestamp_echo;
};
void send_bare_ack(Stack& stack, const BareAck& ack);

}  // namespace sluice::tcp
