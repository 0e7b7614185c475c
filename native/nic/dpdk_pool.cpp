#include "nic/dpdk_pool.hpp"

#include <rte_lcore.h>

#include <algorithm>

namespace sluice::nic {

DpdkPool::~DpdkPool() { rte_mempool_free(pool_); }

// As rte_pktmbuf_pool_create() does it, which has no flags.
rte_mempool* DpdkPool::make_pool(const std::string& name, const Plan& plan) noexcept {
  const auto room = static_cast<uint16_t>(plan.data_bytes + RTE_PKTMBUF_HEADROOM);
  const uint32_t element = sizeof(rte_mbuf) + sizeof(Packet) + room;
  const uint32_t flags = plan.across_pages ? RTE_MEMPOOL_F_NO_IOVA_CONTIG : 0;
  rte_mempool* const pool = rte_mempool_create_empty(name.c_str(), plan.packets, element, kCache, sizeof(rte_pktmbuf_pool_private),
                                                     plan.socket, flags);
  if (pool == nullptr) return nullptr;
  rte_pktmbuf_pool_private own{};
  own.mbuf_data_room_size = room;
  own.mbuf_priv_size = sizeof(Packet);
  // Last in, first out: what was just given back is still in the cache, where a ring would go through all packets before it comes to
  // one again. Without that handler's library the ring does.
  if (rte_mempool_set_ops_byname(pool, "stack", nullptr) == 0 || rte_mempool_set_ops_byname(pool, "ring_mp_mc", nullptr) == 0) {
    rte_pktmbuf_pool_init(pool, &own);
    if (rte_mempool_populate_default(pool) >= 0) {
      rte_mempool_obj_iter(pool, rte_pktmbuf_init, nullptr);
      return pool;
    }
  }
  rte_mempool_free(pool);
  return nullptr;
}

bool DpdkPool::create(const std::string& name, const Plan& plan, std::string& error) {
  pool_ = make_pool(name, plan);
  if (pool_ == nullptr) {
    const uint64_t mib = (static_cast<uint64_t>(plan.packets) * (plan.data_bytes + 448u)) >> 20;
    error = "no memory for " + std::to_string(plan.packets) + " packets (about " + std::to_string(mib) +
            " MiB). Give EAL more (-m MIB), reserve more hugepages (sysctl -w vm.nr_hugepages=N), or ask for fewer packets";
    return false;
  }
  total_ = plan.packets - std::min(plan.packets, plan.for_receive);
  data_bytes_ = plan.data_bytes;
  return true;
}

namespace {

// What a peer on another CPU has read last has to come back before it is written to: asked for a few packets ahead.
void prefetch_ahead(rte_mempool* pool) noexcept {
  constexpr uint32_t kAhead = 3;
  const rte_mempool_cache* const cache = rte_mempool_default_cache(pool, rte_lcore_id());
  if (cache == nullptr || cache->len < kAhead) return;
  auto* const mbuf = static_cast<rte_mbuf*>(cache->objs[cache->len - kAhead]);
  __builtin_prefetch(mbuf, 1);
  __builtin_prefetch(packet_of(mbuf), 1);
  // Headers end where the payload begins.
  const char* const payload = reinterpret_cast<const char*>(mbuf) + sizeof(rte_mbuf) + sizeof(Packet) + RTE_PKTMBUF_HEADROOM;
  __builtin_prefetch(payload - 64, 1);
  __builtin_prefetch(payload, 1);
  __builtin_prefetch(payload + 64, 1);
}

}  // namespace

Packet* DpdkPool::allocate(uint32_t bytes) noexcept {
  if (bytes > data_bytes_) return nullptr;
  rte_mbuf* const mbuf = rte_mbuf_raw_alloc(pool_);
  if (__builtin_expect(mbuf == nullptr, 0)) return nullptr;
  prefetch_ahead(pool_);
  mbuf->data_off = RTE_PKTMBUF_HEADROOM;
  mbuf->data_len = 0;
  Packet* const packet = wrap_piece(mbuf);
  packet->flags = 0;
  return packet;
}

// The common store and this thread's own cache: looking into the caches of all threads, as rte_mempool_avail_count does, costs too much.
uint32_t DpdkPool::free_count() const noexcept {
  const rte_mempool_cache* const cache = rte_mempool_default_cache(pool_, rte_lcore_id());
  return rte_mempool_get_ops(pool_->ops_index)->get_count(pool_) + (cache == nullptr ? 0 : cache->len);
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
