#pragma once

#include <cstdint>

namespace sluice::nic {

// What the NIC verified of a received frame, or shall compute for one to be sent.
enum PacketFlag : uint8_t {
  kRxIpChecksumGood = 1 << 0,
  kRxL4ChecksumGood = 1 << 1,
  kRxChecksumBad = 1 << 2,    // the NIC found the IP or L4 checksum wrong
  kTxIpChecksum = 1 << 3,     // IPv4 header checksum is to be filled in
  kTxL4Checksum = 1 << 4,     // TCP checksum is to be filled in; the field holds the pseudo-header's sum
  kTxSegment = 1 << 5,        // TSO: cut into segments of segment_bytes payload
  kSummed = 1 << 6,           // scratch[0] holds the sum of these bytes, of an even number of them in front (wire::Checksum::raw)
  kPayloadSummed = 1 << 7,    // segment_bytes holds the sum of what is behind the TCP header (wire::Checksum::raw)
};

// A frame, or a piece of one, in memory that the NIC reads and writes itself. Owned by one core: counts are not atomic. It goes
// back to its pool with its last reference. Lives in front of, or beside, the driver's own descriptor.
struct Packet {
  Packet* next;            // next piece of the same frame; null at the last
  Packet* link;            // the list that its owner keeps it in
  uint8_t* data;           // first byte in use
  uint8_t* buffer;         // first byte of its memory; data - buffer is the room in front
  uint16_t length;         // bytes from data on, of this piece
  uint16_t buffer_bytes;
  uint16_t references;
  uint8_t flags;           // PacketFlag
  uint8_t pool;            // which of the driver's pools it came from
  // For transmission with kTx*: lengths of the headers in front, in this piece.
  uint8_t l2_bytes;
  uint8_t l3_bytes;
  uint8_t l4_bytes;
  uint8_t waiting;         // times that the IP layer holds it until it can be given to the device
  uint16_t segment_bytes;  // with kTxSegment, kPayloadSummed
  uint16_t vlan;           // tag control information; 0: none
  // Free for the owner between receive() and transmit(): the TCP stack keeps what it knows of a segment here.
  uint32_t scratch[4];

  uint16_t headroom() const noexcept { return static_cast<uint16_t>(data - buffer); }
  uint16_t tailroom() const noexcept { return static_cast<uint16_t>(buffer_bytes - headroom() - length); }
  uint8_t* push(uint16_t bytes) noexcept {
    data -= bytes;
    length = static_cast<uint16_t>(length + bytes);
    return data;
  }
  void pull(uint16_t bytes) noexcept {
    data += bytes;
    length = static_cast<uint16_t>(length - bytes);
  }
};
static_assert(sizeof(Packet) == 64);

// Room in front of a packet's payload for every header that goes there: Ethernet with VLAN, IPv6, TCP with all its options.
inline constexpr uint16_t kHeadroom = 128;

// Packets of one core. Everything is reserved at start; when none is free the caller does without.
class PacketPool {
 public:
  virtual ~PacketPool() = default;

  // What needs no more behind its headers than this is taken from a reserve where nothing else is free: acknowledgements, resets, probes
  // and questions about neighbours are what brings packets back.
  static constexpr uint32_t kSmallBytes = 128;

  // A packet with one reference, no bytes, kHeadroom in front and room for at least `bytes` behind, or null.
  virtual Packet* allocate(uint32_t bytes) noexcept = 0;
  // The same for what its owner keeps until a peer has it. Where short frames go to the device as copies, such a packet is one of those
  // that no device ever sees, so that no other CPU has its lines.
  virtual Packet* allocate_kept(uint32_t bytes) noexcept { return allocate(bytes); }
  // The most that a packet has room for: with a jumbo MTU less than a frame may have.
  virtual uint32_t room() const noexcept = 0;
  // Gives one reference of this piece back (not of those that follow it).
  virtual void unref(Packet* packet) noexcept = 0;
  static void ref(Packet* packet) noexcept { ++packet->references; }
  // The same as unref() for what others most often hold as well: only the last one asks the driver.
  void unref_shared(Packet* packet) noexcept {
    if (packet->references > 1) {
      --packet->references;
    } else {
      unref(packet);
    }
  }
  // Before unref(): a driver's own descriptor most often lies in front of the packet, and its first line says who else holds it.
  [[gnu::always_inline]] static void prefetch(const Packet* packet) noexcept {
    const char* const at = reinterpret_cast<const char*>(packet);
    __builtin_prefetch(at, 1);
    __builtin_prefetch(at - 128, 1);
  }
  // Gives one reference of each piece of the frame back.
  void unref_frame(Packet* packet) noexcept {
    while (packet != nullptr) {
      Packet* const next = packet->next;
      unref(packet);
      packet = next;
    }
  }

  // Packets for transmission that are free, of all that there are, the reserve aside: senders slow down before none is left.
  virtual uint32_t free_count() const noexcept = 0;
  virtual uint32_t total_count() const noexcept = 0;
};

}  // namespace sluice::nic
