#include "nic/dpdk_pool.hpp"

#include <rte_errno.h>
#include <rte_lcore.h>
#include <rte_mbuf_pool_ops.h>
#include <rte_ring.h>

#include <algorithm>

namespace sluice::nic {

DpdkPool::~DpdkPool() { rte_mempool_free(pool_); }

bool DpdkPool::create(const std::string& name, uint32_t packets, uint32_t data_bytes, uint32_t for_receive, int socket,
                      std::string& error) {
  const auto room = static_cast<uint16_t>(data_bytes + RTE_PKTMBUF_HEADROOM);
  pool_ = rte_pktmbuf_pool_create_by_ops(name.c_str(), packets, kCache, sizeof(Packet), room, socket, "ring_mp_mc");
  if (pool_ == nullptr) {
    const uint64_t mib = (static_cast<uint64_t>(packets) * (room + 320u)) >> 20;
    error = "no memory for " + std::to_string(packets) + " packets (about " + std::to_string(mib) + " MiB): " + rte_strerror(rte_errno) +
            ". Give EAL more (-m MIB), reserve more hugepages (sysctl -w vm.nr_hugepages=N), or ask for fewer packets";
    return false;
  }
  total_ = packets - std::min(packets, for_receive);
  data_bytes_ = data_bytes;
  return true;
}

Packet* DpdkPool::allocate(uint32_t bytes) noexcept {
  if (bytes > data_bytes_) return nullptr;
  rte_mbuf* const mbuf = rte_mbuf_raw_alloc(pool_);
  if (__builtin_expect(mbuf == nullptr, 0)) return nullptr;
  mbuf->data_off = RTE_PKTMBUF_HEADROOM;
  mbuf->data_len = 0;
  Packet* const packet = wrap_piece(mbuf);
  packet->flags = 0;
  return packet;
}

// The ring and this thread's own cache: looking into the caches of all threads, as rte_mempool_avail_count does, costs too much.
uint32_t DpdkPool::free_count() const noexcept {
  const rte_mempool_cache* const cache = rte_mempool_default_cache(pool_, rte_lcore_id());
  return rte_ring_count(static_cast<const rte_ring*>(pool_->pool_data)) + (cache == nullptr ? 0 : cache->len);
}

Packet* DpdkPool::wrap_chain(rte_mbuf* mbuf, Packet* first) noexcept {
  Packet* last = first;
  rte_mbuf* piece = mbuf->next;
  mbuf->next = nullptr;
  mbuf->nb_segs = 1;
  while (piece != nullptr) {
    rte_mbuf* const next = piece->next;
    piece->next = nullptr;
    last->next = wrap_piece(piece);
    last = last->next;
    last->flags = first->flags;
    piece = next;
  }
  return first;
}

}  // namespace sluice::nic
