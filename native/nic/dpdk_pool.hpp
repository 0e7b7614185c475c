#pragma once

#include <rte_mbuf.h>
#include <rte_mempool.h>

#include <string>

#include "nic/mbuf_stack.hpp"
#include "nic/packet.hpp"

namespace sluice::nic {

// A Packet lies in the private area of its mbuf, so neither has to be looked up from the other.
inline Packet* packet_of(rte_mbuf* mbuf) noexcept { return static_cast<Packet*>(rte_mbuf_to_priv(mbuf)); }
inline rte_mbuf* mbuf_of(Packet* packet) noexcept { return reinterpret_cast<rte_mbuf*>(packet) - 1; }
inline const rte_mbuf* mbuf_of(const Packet* packet) noexcept { return reinterpret_cast<const rte_mbuf*>(packet) - 1; }

static_assert(sizeof(rte_mbuf) == 128);
static_assert(RTE_PKTMBUF_HEADROOM == kHeadroom);
static_assert(sizeof(Packet) % RTE_MBUF_PRIV_ALIGN == 0);

// The packets of one queue, all in memory that the device can reach.
class DpdkPool final : public PacketPool {
 public:
  static constexpr uint32_t kDataBytes = 2048;

  ~DpdkPool() override;
  DpdkPool() = default;
  DpdkPool(const DpdkPool&) = delete;
  DpdkPool& operator=(const DpdkPool&) = delete;

  struct Plan {
    uint32_t packets;
    uint32_t data_bytes;   // room of each packet behind its headroom
    uint32_t for_receive;  // of the packets, held by the device for what comes
    int socket;
    // The device goes by virtual addresses only, so that packets may lie across pages. Without hugepages each would take a page of its
    // own otherwise; and AF_XDP's driver counts on packets that lie side by side: with gaps the last ones are outside of what it
    // registers, and the kernel takes nothing that lies there.
    bool across_pages;
    bool one_owner;        // one thread allocates and frees; of a shared one every thread goes by its cache in the mempool
    bool for_virtio;       // its header and the frame's first bytes share a cache line
  };
  // False with the reason.
  bool create(const std::string& name, const Plan& plan, std::string& error);

  Packet* allocate(uint32_t bytes) noexcept override;
  Packet* allocate_kept(uint32_t bytes) noexcept override;
  void unref(Packet* packet) noexcept override {
    if (--packet->references != 0) return;
    rte_mbuf* const mbuf = mbuf_of(packet);
    if (!plain_ || packet->pool == kReserved) return rte_pktmbuf_free_seg(mbuf);
    // One that was never part of a chain is as the pool wants it: its second line, with the link, is left alone. Null where the device
    // still reads it, which then gives it back.
    const bool whole = rte_mbuf_refcnt_read(mbuf) == 1 && mbuf->nb_segs == 1 && RTE_MBUF_DIRECT(mbuf);
    if (__builtin_expect(!whole, 0) && rte_pktmbuf_prefree_seg(mbuf) == nullptr) return;
    if (packet->pool == kKept) return kept_stack_.put(mbuf);
    put(mbuf);
  }
  // For a frame that the device is given and nobody else: no Packet is made of it. Its bytes, kSentRoom at most, begin where a virtio
  // device's header in front of them takes no cache line of its own. Null where none is free.
  static constexpr uint32_t kSentRoom = 512;
  rte_mbuf* allocate_sent(uint32_t bytes) noexcept;
  void give_back_sent(rte_mbuf* mbuf) noexcept {
    if (!plain_) return rte_mbuf_raw_free(mbuf);
    put(mbuf);
  }
  // With one owner as of the last refresh(), and what it has taken and given back since.
  uint32_t free_count() const noexcept override {
    if (!plain_) return count_free();
    return known_free_ > floor_ ? known_free_ - floor_ : 0;
  }
  // The device, too, takes packets and gives some back: to be called with each burst.
  void refresh() noexcept { known_free_ = count_free(); }
  uint32_t room() const noexcept override { return data_bytes_; }
  uint32_t total_count() const noexcept override { return total_; }

  rte_mempool* mempool() const noexcept { return pool_; }
  bool one_owner() const noexcept { return plain_; }
  // A received frame as a chain of packets with one reference each.
  static Packet* wrap(rte_mbuf* mbuf, uint8_t flags) noexcept;

 private:
  static constexpr uint32_t kCache = 512;
  static constexpr uint32_t kReserve = 512;
  // Of the short ones that are kept; where all are in use there are the others.
  static constexpr uint32_t kKeptMost = 4096;

  // Packet::pool
  enum Origin : uint8_t { kCommon, kReserved, kKept };

  static rte_mempool* make_pool(const std::string& name, const Plan& plan, uint32_t cache) noexcept;
  static Packet* begin(rte_mbuf* mbuf, Origin origin) noexcept;
  rte_mbuf* get() noexcept;
  void put(rte_mbuf* mbuf) noexcept {
    ++known_free_;
    stack_.put(mbuf);
  }
  uint32_t count_free() const noexcept;
  static Packet* wrap_piece(rte_mbuf* mbuf) noexcept;
  static Packet* wrap_chain(rte_mbuf* mbuf, Packet* first) noexcept;
  bool may_take() const noexcept { return floor_ == 0 || known_free_ > floor_; }

  // A virtio device's header (virtio 1.2 §5.1.6) takes these bytes in front of a frame.
  static constexpr uint32_t kVirtioHeader = 12;
  static constexpr uint32_t kLine = 64;
  static constexpr uint32_t kVirtioPad = 16;
  static_assert((kVirtioPad + kHeadroom) % kLine >= kVirtioHeader);

  rte_mempool* pool_ = nullptr;
  rte_mempool* reserve_ = nullptr;  // nothing is received into these
  rte_mempool* kept_ = nullptr;     // null where short frames do not go as copies
  uint32_t total_ = 0;
  // So many are left to the device for what comes: with none it would hear no acknowledgement, and nothing that was sent came back. Two
  // ends of a virtio link that both have all their packets waiting for each other never go on.
  uint32_t floor_ = 0;
  uint32_t data_bytes_ = 0;
  uint16_t sent_offset_ = RTE_PKTMBUF_HEADROOM;  // of a frame that is made for the device alone
  bool plain_ = false;              // one thread allocates and frees: by the stacks
  uint32_t known_free_ = 0;
  MbufStack stack_;
  MbufStack kept_stack_;
};

inline Packet* DpdkPool::wrap_piece(rte_mbuf* mbuf) noexcept {
  Packet* const packet = packet_of(mbuf);
  packet->next = nullptr;
  packet->link = nullptr;
  packet->buffer = static_cast<uint8_t*>(mbuf->buf_addr);
  packet->data = packet->buffer + mbuf->data_off;
  packet->length = mbuf->data_len;
  packet->buffer_bytes = mbuf->buf_len;
  packet->references = 1;
  packet->pool = kCommon;
  packet->waiting = 0;
  packet->vlan = 0;
  return packet;
}

inline Packet* DpdkPool::wrap(rte_mbuf* mbuf, uint8_t flags) noexcept {
  Packet* const packet = wrap_piece(mbuf);
  packet->flags = flags;
  return __builtin_expect(mbuf->nb_segs == 1, 1) ? packet : wrap_chain(mbuf, packet);
}

}  // namespace sluice::nic
