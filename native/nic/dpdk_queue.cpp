#include "nic/dpdk_queue.hpp"

#include <rte_lcore.h>
#include <rte_prefetch.h>

#include <algorithm>
#include <cstring>

#include "nic/dpdk_offload.hpp"

namespace sluice::nic {

DpdkQueue::DpdkQueue(DpdkPort& port, uint16_t queue)
    : port_(port), pool_(port.pool(queue)), id_(port.id()), queue_(queue), copies_short_(port.plan().copies_short),
      capabilities_(port.plan().capabilities) {
  if (queue < port.plan().rx_queues) wakeup_.open(id_, queue, port.plan().interrupts, port.files(queue));
  capabilities_.interrupts = wakeup_.available();
}

void DpdkQueue::enter_thread() noexcept {
  if (rte_lcore_id() == LCORE_ID_ANY) static_cast<void>(rte_thread_register());
}

uint32_t DpdkQueue::receive(Packet** frames, uint32_t max) noexcept {
  if (__builtin_expect(!entered_, 0)) {
    entered_ = true;
    enter_thread();
  }
  if (__builtin_expect(wakeup_.armed(), 0)) wakeup_.disarm();
  if (__builtin_expect(early_count_ != 0, 0)) {
    const uint32_t count = std::min(early_count_, max);
    std::copy_n(early_, count, frames);
    early_count_ -= count;
    std::memmove(early_, early_ + count, early_count_ * sizeof early_[0]);
    return count;
  }
  return receive_burst(frames, max);
}

uint32_t DpdkQueue::receive_burst(Packet** frames, uint32_t max) noexcept {
  rte_mbuf* mbufs[kBurst];
  const uint16_t count = rte_eth_rx_burst(id_, queue_, mbufs, static_cast<uint16_t>(std::min(max, kBurst)));
  pool_.refresh();
  if (count == 0) return 0;
  // The headers of all frames are fetched before the first is looked at, and what a short message or a request to upgrade has behind them:
  // a peer on another CPU has just written it.
  for (uint16_t i = 0; i < count; ++i) {
    const char* const data = rte_pktmbuf_mtod(mbufs[i], const char*);
    rte_prefetch0(data);
    rte_prefetch0(packet_of(mbufs[i]));
    if (mbufs[i]->data_len > 64) rte_prefetch0(data + 64);
    if (mbufs[i]->data_len > 128) rte_prefetch0(data + 128);
    if (mbufs[i]->data_len > 192) rte_prefetch0(data + 192);
  }
  uint64_t bytes = 0;
  for (uint16_t i = 0; i < count; ++i) {
    rte_mbuf* const mbuf = mbufs[i];
    bytes += mbuf->pkt_len;
    frames[i] = DpdkPool::wrap(mbuf, received_flags(mbuf->ol_flags, capabilities_.rx_checksum));
    if ((mbuf->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED) != 0) frames[i]->vlan = mbuf->vlan_tci;
  }
  counters_.rx_frames += count;
  counters_.rx_bytes += bytes;
  return count;
}

uint32_t DpdkQueue::transmit(Packet** frames, uint32_t count) noexcept {
  uint32_t done = 0;
  while (done < count) {
    const uint32_t burst = std::min(count - done, kBurst);
    const uint32_t taken = transmit_burst(frames + done, burst);
    done += taken;
    if (taken == burst) continue;
    ++counters_.tx_full;
    break;
  }
  return done;
}

uint32_t DpdkQueue::transmit_burst(Packet** frames, uint32_t count) noexcept {
  rte_mbuf* mbufs[kBurst];
  for (uint32_t i = 0; i < count; ++i) {
    rte_mbuf* const copy = copies_short_ ? copy_if_short(pool_, frames[i]) : nullptr;
    mbufs[i] = copy != nullptr ? copy : prepare_frame(frames[i], pool_.one_owner());
  }
  const uint32_t taken = send(mbufs, count);
  for (uint32_t i = taken; i < count; ++i) {
    if (mbufs[i] == mbuf_of(frames[i])) {
      take_back(frames[i], pool_.one_owner());
    } else {
      drop_copy(pool_, frames[i], mbufs[i]);
    }
  }
  return taken;
}

uint32_t DpdkQueue::send(rte_mbuf** frames, uint32_t count) noexcept {
  uint64_t offloads = 0;
  for (uint32_t i = 0; i < count; ++i) offloads |= frames[i]->ol_flags;
  auto ready = static_cast<uint16_t>(count);
  // Drivers check and adjust headers here for what they compute.
  if (offloads != 0) ready = rte_eth_tx_prepare(id_, queue_, frames, ready);
  const uint16_t taken = rte_eth_tx_burst(id_, queue_, frames, ready);
  counters_.tx_frames += taken;
  if (__builtin_expect(ready == count || taken < ready, 1)) return taken;
  // The device can never send this one: kept, it would stand in the way of all that follow.
  rte_pktmbuf_free(frames[ready]);
  ++counters_.tx_refused;
  return taken + 1u;
}

bool DpdkQueue::link_up() noexcept {
  rte_eth_link link{};
  return rte_eth_link_get_nowait(id_, &link) == 0 && link.link_status == RTE_ETH_LINK_UP;
}

bool DpdkQueue::arm() noexcept {
  if (early_count_ != 0) return false;
  if (!wakeup_.available()) return true;
  wakeup_.arm();
  // What came before the interrupt was enabled would not raise it.
  early_count_ = receive_burst(early_, kBurst);
  if (early_count_ == 0) return true;
  wakeup_.disarm();
  return false;
}

const NicCounters& DpdkQueue::counters() noexcept {
  rte_eth_stats stats{};
  if (queue_ == 0 && rte_eth_stats_get(id_, &stats) == 0) {
    counters_.rx_missed = stats.imissed + stats.rx_nombuf;
    counters_.tx_bytes = stats.obytes;
  }
  return counters_;
}

}  // namespace sluice::nic
