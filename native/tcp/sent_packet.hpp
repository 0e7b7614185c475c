#pragma once

#include <cstdint>

#include "nic/packet.hpp"
#include "tcp/seq.hpp"

namespace sluice::tcp {

enum SentFlag : uint8_t {
  kTransmitted = 1,
  kSacked = 2,
  kLost = 4,
  kRetransmitInFlight = 8,  // sent again since it was marked lost
  kEverRetransmitted = 16,
  kCarriesFin = 32,
  kPush = 64,               // the last bytes of a write
  kShared = 128,            // the payload lies in the packet's `next`, which others have as well (shared_bodies.hpp)
};

// What the stack keeps of a packet in the send queue, in the packet's scratch. The payload lies where `offset` says, whatever headers
// were written in front of it when it was sent; a shared one that far into the other packet's data.
struct SentPacket {
  Seq seq;
  uint32_t sent_us;
  uint16_t offset;   // of the payload, from the packet's buffer; shared: from the first shared byte
  uint16_t bytes;    // of payload
  uint32_t flags : 8;
  uint32_t resent : 24;  // where it stands among those that were sent again (resent.hpp); 0: not there

  static constexpr uint32_t kResentMost = (1u << 24) - 1;

  bool has(SentFlag flag) const noexcept { return (flags & flag) != 0; }
  void set(SentFlag flag) noexcept { flags = (flags | flag) & 0xffu; }
  void clear(SentFlag flag) noexcept { flags = flags & ~static_cast<uint32_t>(flag) & 0xffu; }
  // In sequence space: FIN counts one.
  uint32_t length() const noexcept { return bytes + (has(kCarriesFin) ? 1u : 0u); }
  Seq end() const noexcept { return seq + length(); }
};
static_assert(sizeof(SentPacket) == sizeof(nic::Packet::scratch));

inline SentPacket& sent(nic::Packet* packet) noexcept { return *reinterpret_cast<SentPacket*>(packet->scratch); }
inline const SentPacket& sent(const nic::Packet* packet) noexcept { return *reinterpret_cast<const SentPacket*>(packet->scratch); }

inline const uint8_t* payload_of(const nic::Packet* packet) noexcept {
  const SentPacket& info = sent(packet);
  return (info.has(kShared) ? packet->next->data : packet->buffer) + info.offset;
}

// A record of a segment that nothing else is kept of (sent_records.hpp).
inline constexpr uint8_t kRecordPool = UINT8_MAX;
inline bool is_record(const nic::Packet* packet) noexcept { return packet->pool == kRecordPool; }

// What is kept of a frame that waits to be in order or to be read. Its pieces have been cut down to payload.
struct HeldPacket {
  Seq seq;
  uint32_t bytes;    // of all pieces
  uint32_t reserved[2];
  Seq end() const noexcept { return seq + bytes; }
};
static_assert(sizeof(HeldPacket) == sizeof(nic::Packet::scratch));

inline HeldPacket& held(nic::Packet* packet) noexcept { return *reinterpret_cast<HeldPacket*>(packet->scratch); }
inline const HeldPacket& held(const nic::Packet* packet) noexcept { return *reinterpret_cast<const HeldPacket*>(packet->scratch); }

}  // namespace sluice::tcp
