#include "nic/dpdk_pool.hpp"

#include <rte_lcore.h>

#include <algorithm>
#include <cstring>

#include "base/assert.hpp"

namespace sluice::nic {

DpdkPool::~DpdkPool() {
  rte_mempool_free(kept_);
  rte_mempool_free(reserve_);
  rte_mempool_free(pool_);
}

// As rte_pktmbuf_pool_create() does it, which has no flags.
rte_mempool* DpdkPool::make_pool(const std::string& name, const Plan& plan, uint32_t cache) noexcept {
  const auto room = static_cast<uint16_t>(plan.data_bytes + RTE_PKTMBUF_HEADROOM);
  // The driver asks the cache for a frame's first line before it reads the header: with the pad that is the same one.
  const auto before = static_cast<uint16_t>(sizeof(Packet) + (plan.for_virtio ? kVirtioPad : 0));
  const uint32_t element = sizeof(rte_mbuf) + before + room;
  const uint32_t flags = plan.across_pages ? RTE_MEMPOOL_F_NO_IOVA_CONTIG : 0;
  rte_mempool* const pool = rte_mempool_create_empty(name.c_str(), plan.packets, element, cache, sizeof(rte_pktmbuf_pool_private),
                                                     plan.socket, flags);
  if (pool == nullptr) return nullptr;
  rte_pktmbuf_pool_private own{};
  own.mbuf_data_room_size = room;
  own.mbuf_priv_size = before;
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
  Plan small = plan;
  small.packets = kReserve;
  small.data_bytes = kSmallBytes;
  pool_ = make_pool(name, plan, kCache);
  if (pool_ != nullptr) reserve_ = make_pool(name + "_r", small, 0);
  bool made = reserve_ != nullptr;
  if (made && plan.one_owner && plan.for_virtio) {
    small.packets = std::min(plan.packets, kKeptMost);
    kept_ = make_pool(name + "_k", small, kCache);
    made = kept_ != nullptr;
  }
  if (!made) {
    const uint64_t mib = (static_cast<uint64_t>(plan.packets) * (plan.data_bytes + 448u)) >> 20;
    error = "no memory for " + std::to_string(plan.packets) + " packets (about " + std::to_string(mib) +
            " MiB). Give EAL more (-m MIB), reserve more hugepages (sysctl -w vm.nr_hugepages=N), or ask for fewer packets";
    return false;
  }
  total_ = plan.packets - std::min(plan.packets, plan.for_receive);
  data_bytes_ = plan.data_bytes;
  plain_ = plan.one_owner;
  stack_.attach(pool_);
  kept_stack_.attach(kept_);
  if (plan.for_virtio) sent_offset_ = 2 * kLine + kVirtioHeader - kVirtioPad;
  // Other owners' caches are not counted, so of a shared pool it is not known.
  if (plain_) floor_ = std::min(plan.for_receive, total_ / 8);
  total_ -= floor_;
  refresh();
  return true;
}

namespace {

// What a peer on another CPU has read last has to come back before it is written to: asked for a few packets ahead.
constexpr uint32_t kAhead = 2;

constexpr uint32_t kShort = 512;

// Inlined by force, both: a function that only prefetches has no effect that GCC knows of, and link-time optimisation removes its calls.

// `bytes` from where payloads begin; of more than kShort the rest follows by itself. `linked`: it may become part of a chain.
[[gnu::always_inline]] inline void prefetch_for_writing(const MbufStack& stack, uint32_t bytes, bool linked) noexcept {
  rte_mbuf* const mbuf = stack.peek(kAhead);
  if (mbuf == nullptr) return;
  if (linked) __builtin_prefetch(reinterpret_cast<const char*>(mbuf) + 64, 1);
  __builtin_prefetch(mbuf, 1);
  __builtin_prefetch(packet_of(mbuf), 1);
  // Headers end where the payload begins.
  const char* const payload = reinterpret_cast<const char*>(mbuf) + sizeof(rte_mbuf) + sizeof(Packet) + RTE_PKTMBUF_HEADROOM;
  __builtin_prefetch(payload - 64, 1);
  __builtin_prefetch(payload, 1);
  for (uint32_t at = 64; at < (bytes > kShort ? 128 : bytes); at += 64) __builtin_prefetch(payload + at, 1);
}

// Of one whose frame is written at `offset` behind the packet as a whole.
[[gnu::always_inline]] inline void prefetch_for_sending(const MbufStack& stack, uint32_t offset) noexcept {
  rte_mbuf* const mbuf = stack.peek(kAhead);
  if (mbuf == nullptr) return;
  __builtin_prefetch(mbuf, 1);
  __builtin_prefetch(reinterpret_cast<const char*>(mbuf) + 64, 1);
  const char* const data = reinterpret_cast<const char*>(packet_of(mbuf)) + sizeof(Packet) + offset;
  __builtin_prefetch(data, 1);
  __builtin_prefetch(data + 64, 1);
  __builtin_prefetch(data + 128, 1);
}

}  // namespace

rte_mbuf* DpdkPool::get() noexcept {
  if (!plain_) return rte_mbuf_raw_alloc(pool_);
  if (known_free_ != 0) --known_free_;
  return stack_.get();
}

Packet* DpdkPool::begin(rte_mbuf* mbuf, Origin origin) noexcept {
  mbuf->data_off = RTE_PKTMBUF_HEADROOM;
  mbuf->data_len = 0;
  Packet* const packet = wrap_piece(mbuf);
  packet->flags = 0;
  packet->pool = origin;
  return packet;
}

Packet* DpdkPool::allocate(uint32_t bytes) noexcept {
  if (bytes > data_bytes_) return nullptr;
  rte_mbuf* mbuf = __builtin_expect(may_take(), 1) ? get() : nullptr;
  prefetch_for_writing(stack_, bytes + kVirtioPad, true);
  if (__builtin_expect(mbuf != nullptr, 1)) return begin(mbuf, kCommon);
  mbuf = bytes <= kSmallBytes ? rte_mbuf_raw_alloc(reserve_) : nullptr;
  return mbuf == nullptr ? nullptr : begin(mbuf, kReserved);
}

Packet* DpdkPool::allocate_kept(uint32_t bytes) noexcept {
  rte_mbuf* const mbuf = kept_ != nullptr && bytes <= kSmallBytes ? kept_stack_.get() : nullptr;
  if (__builtin_expect(mbuf == nullptr, 0)) return allocate(bytes);
  prefetch_for_writing(kept_stack_, bytes + kVirtioPad, false);
  return begin(mbuf, kKept);
}

rte_mbuf* DpdkPool::allocate_sent(uint32_t bytes) noexcept {
  SLUICE_ASSERT(bytes <= kSentRoom);
  rte_mbuf* const mbuf = __builtin_expect(may_take(), 1) ? get() : nullptr;
  if (__builtin_expect(mbuf == nullptr, 0)) return nullptr;
  prefetch_for_sending(stack_, sent_offset_ + kVirtioPad);
  mbuf->data_off = sent_offset_;
  mbuf->data_len = static_cast<uint16_t>(bytes);
  mbuf->pkt_len = bytes;
  mbuf->ol_flags = 0;
  return mbuf;
}

// The common store and this thread's own caches: looking into those of all threads, as rte_mempool_avail_count does, costs too much.
uint32_t DpdkPool::count_free() const noexcept {
  const rte_mempool_cache* const cache = rte_mempool_default_cache(pool_, rte_lcore_id());
  return rte_mempool_get_ops(pool_->ops_index)->get_count(pool_) + (cache == nullptr ? 0 : cache->len) + stack_.count();
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
