#pragma once

#include <cstdint>

#include "net/address.hpp"
#include "nic/packet.hpp"

// The seam between IP and TCP: what `net` gives up to the TCP stack and what it takes from it.

namespace sluice::net {

// The two ECN bits of the IP header (RFC 3168 §5).
enum class Ecn : uint8_t { kNotCapable = 0, kCapable1 = 1, kCapable0 = 2, kCongestion = 3 };

// A TCP segment that came in: IP checked, lengths checked against the frame, checksum verified.
struct Segment {
  const Flow* flow;
  nic::Packet* packet;     // data points at the TCP header; padding behind the segment is cut off. A chain where the frame is one.
  uint16_t header_bytes;   // 20 to 60, within the first piece
  uint32_t payload_bytes;  // of all pieces
  Ecn ecn;
  // Put together from fragments, which a device spreads by addresses alone: it may be of another core's connection, or of the kernel's.
  bool strayed = false;
};

// An ICMP or ICMPv6 error that quotes a segment of ours. Only addresses, ports and the sequence number are known of it; whether
// that number is in flight is TCP's to check (RFC 5927 §4).
struct IcmpError {
  enum class Kind : uint8_t { kUnreachableSoft, kUnreachableHard, kTooBig };
  Kind kind;
  const Flow* flow;
  uint32_t quoted_seq;
  uint32_t mtu;            // kTooBig: next hop's; 0 where the router did not say (RFC 1191 §5)
};

// What TCP is for `net`.
class SegmentHandler {
 public:
  virtual ~SegmentHandler() = default;
  // All segments of one receive burst, in the order they came: several connections' memory is fetched at once. The packets are the
  // handler's from here on: it keeps or unrefs every piece. Flows and segments are looked at during the call only.
  virtual void on_segments(const Segment* segments, uint32_t count) = 0;
  virtual void on_icmp_error(const IcmpError& error) = 0;
};

// What `net` is for TCP.
class IpLayer {
 public:
  virtual ~IpLayer() = default;

  virtual nic::PacketPool& pool() noexcept = 0;
  // True while the NIC still reads the packet: its bytes may not be changed.
  virtual bool transmitting(const nic::Packet* packet) const noexcept = 0;

  // Largest IP packet on the way to an address that the interface allows, without what path-MTU discovery learned (that is TCP's,
  // per connection). 0: no route.
  virtual uint16_t mtu(const IpAddress& remote) const noexcept = 0;
  virtual bool is_local(const IpAddress& address) const noexcept = 0;

  // Sends a segment; `packet->data` is at the TCP header, of `header_bytes`, with everything in it but the checksum, which is 0. Takes one
  // reference of each piece, whatever becomes of it. Headers are written in front of data, which moves there (`length` grows): who
  // keeps a reference sets both anew before it sends again, and does neither while transmitting(), which is true also of what waits
  // for flush() or for a neighbour's address. `link` and `scratch` stay TCP's: it keeps sent packets in lists of its own until they are
  // acknowledged, so they are neither read nor written.
  // Segments that follow one another may become one frame, which the device cuts: `next` then leads to those behind.
  // False when it was dropped at once (no route, queue full).
  virtual bool send(const Flow& flow, nic::Packet* packet, uint16_t header_bytes, Ecn ecn) = 0;
  // Takes a segment that is for a port of somebody else's, and returns true, when the kernel is to have it.
  virtual bool divert(const Segment&) { return false; }
  // A segment in two pieces goes out as it is: the device gathers them.
  virtual bool takes_pieces() const noexcept { return false; }
  // Hands what send() gathered to the device.
  virtual void flush() = 0;
  // Frames that the device did not take yet.
  virtual uint32_t frames_waiting() const noexcept { return 0; }
  // The device took less than it was offered last: what it holds is still on its way to the wire.
  virtual bool device_full() const noexcept { return false; }
  // TCP's negative advice (RFC 9293 §3.8.3, MUST-20): nothing that was sent there for a while was answered. The next hop is verified.
  virtual void doubt(const IpAddress& remote) = 0;
};

}  // namespace sluice::net
