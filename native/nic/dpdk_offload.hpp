#pragma once

#include <rte_ip.h>
#include <rte_mbuf.h>

#include <cstring>

#include "nic/dpdk_pool.hpp"

// Between the flags and chains of packets and those of mbufs.

namespace sluice::nic {

inline uint8_t received_flags(uint64_t offloads, bool verified) noexcept {
  if (!verified) return 0;
  uint8_t flags = 0;
  const uint64_t ip = offloads & RTE_MBUF_F_RX_IP_CKSUM_MASK;
  const uint64_t l4 = offloads & RTE_MBUF_F_RX_L4_CKSUM_MASK;
  if (ip == RTE_MBUF_F_RX_IP_CKSUM_GOOD) flags |= kRxIpChecksumGood;
  // "None" means that the field is not filled in but the data is good: a virtual peer on the same host.
  if (l4 == RTE_MBUF_F_RX_L4_CKSUM_GOOD || l4 == RTE_MBUF_F_RX_L4_CKSUM_NONE) flags |= kRxL4ChecksumGood;
  if (ip == RTE_MBUF_F_RX_IP_CKSUM_BAD || l4 == RTE_MBUF_F_RX_L4_CKSUM_BAD) flags |= kRxChecksumBad;
  return flags;
}

// What a device is asked to do about a frame.
inline constexpr uint8_t kTxAny = kTxIpChecksum | kTxL4Checksum | kTxSegment;

// Flags and lengths for what the device is to compute of a frame.
inline void set_transmit_offloads(const Packet* packet, rte_mbuf* mbuf) noexcept {
  mbuf->ol_flags = 0;
  if ((packet->flags & kTxAny) == 0) return;
  uint8_t* const ip = packet->data + packet->l2_bytes;
  const bool v4 = ip[0] >> 4 == 4;
  mbuf->l2_len = packet->l2_bytes;
  mbuf->l3_len = packet->l3_bytes;
  mbuf->l4_len = packet->l4_bytes;
  mbuf->ol_flags = v4 ? RTE_MBUF_F_TX_IPV4 : RTE_MBUF_F_TX_IPV6;
  if ((packet->flags & kTxL4Checksum) != 0) mbuf->ol_flags |= RTE_MBUF_F_TX_TCP_CKSUM;
  if (v4 && (packet->flags & kTxIpChecksum) != 0) {
    mbuf->ol_flags |= RTE_MBUF_F_TX_IP_CKSUM;
    reinterpret_cast<rte_ipv4_hdr*>(ip)->hdr_checksum = 0;
  }
  if ((packet->flags & kTxSegment) != 0) {
    mbuf->ol_flags |= RTE_MBUF_F_TX_TCP_SEG;
    mbuf->tso_segsz = packet->segment_bytes;
  }
}

// With one owner of the pool the drivers give back on the same thread as well, and no count needs a locked operation: that would wait until
// all headers that were just written are in the cache.
inline void count_references(rte_mbuf* mbuf, int16_t more, bool one_owner) noexcept {
  if (one_owner) return rte_mbuf_refcnt_set(mbuf, static_cast<uint16_t>(rte_mbuf_refcnt_read(mbuf) + more));
  rte_mbuf_refcnt_update(mbuf, more);
}

// The chain of mbufs to be sent. A piece to which the caller keeps a reference gets a second one for the device; the only reference of
// another is passed on, which leaves it without any here (of one that several frames end in the device may have more already).
[[gnu::always_inline]] inline rte_mbuf* prepare_frame(Packet* packet, bool one_owner) noexcept {
  rte_mbuf* const head = mbuf_of(packet);
  uint32_t bytes = 0;
  uint16_t pieces = 0;
  for (Packet* piece = packet; piece != nullptr; piece = piece->next) {
    rte_mbuf* const mbuf = mbuf_of(piece);
    mbuf->data_off = static_cast<uint16_t>(piece->data - piece->buffer);
    mbuf->data_len = piece->length;
    // A mark in every piece that has a link, not in the first alone, where it is the count (DpdkPool::unref). Most have none, and their
    // second line need not be written to.
    if (piece->next != nullptr || mbuf->nb_segs != 1) {
      mbuf->next = piece->next == nullptr ? nullptr : mbuf_of(piece->next);
      mbuf->nb_segs = piece->next == nullptr ? 1 : 2;
    }
    bytes += piece->length;
    ++pieces;
    if (--piece->references != 0) count_references(mbuf, 1, one_owner);
  }
  head->pkt_len = bytes;
  if (pieces != 1) head->nb_segs = pieces;
  set_transmit_offloads(packet, head);
  return head;
}

// A short frame of which the caller keeps a packet goes as a copy where that costs less: a virtio driver writes its header in front of what
// is its own alone, and takes a second descriptor for anything else. Null where it does not, or no packet is free.
inline constexpr uint32_t kCopyBelow = 256;
static_assert(kCopyBelow <= DpdkPool::kSentRoom);
inline rte_mbuf* copy_if_short(DpdkPool& pool, Packet* packet) noexcept {
  if (packet->references == 1 || packet->next != nullptr || packet->length > kCopyBelow || (packet->flags & kTxAny) != 0) return nullptr;
  rte_mbuf* const copy = pool.allocate_sent(packet->length);
  if (copy == nullptr) return nullptr;
  std::memcpy(rte_pktmbuf_mtod(copy, uint8_t*), packet->data, packet->length);
  --packet->references;
  return copy;
}
// Undoes it for a frame that the device did not take.
inline void drop_copy(DpdkPool& pool, Packet* packet, rte_mbuf* copy) noexcept {
  ++packet->references;
  pool.give_back_sent(copy);
}

// Undoes prepare_frame() for a frame that the device did not take.
inline void take_back(Packet* packet, bool one_owner) noexcept {
  for (; packet != nullptr; packet = packet->next) {
    if (packet->references++ != 0) count_references(mbuf_of(packet), -1, one_owner);
  }
}

}  // namespace sluice::nic
