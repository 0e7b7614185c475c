#include "nic/dpdk_distributor.hpp"

#include <sys/epoll.h>
#include <unistd.h>

#include <rte_prefetch.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "nic/dpdk_offload.hpp"
#include "nic/flow_hash.hpp"

namespace sluice::nic {

// ---- the other cores ----

DpdkLane::DpdkLane(DpdkPort& port, DpdkQueue& polled, DpdkDoorbell& poller)
    : port_(port), polled_(polled), poller_(poller), pool_(polled.pool()), capabilities_(port.plan().capabilities) {
  // The poller announces frames.
  capabilities_.interrupts = true;
}

DpdkLane::~DpdkLane() {
  void* left[kBurst];
  while (const uint32_t count = received_.pop(left, kBurst)) {
    for (uint32_t i = 0; i < count; ++i) pool_.unref_frame(static_cast<Packet*>(left[i]));
  }
  for (uint32_t i = 0; i < staged_count_; ++i) rte_pktmbuf_free(staged_[i]);
  while (const uint32_t count = sending_.pop(left, kBurst)) {
    for (uint32_t i = 0; i < count; ++i) rte_pktmbuf_free(static_cast<rte_mbuf*>(left[i]));
  }
}

bool DpdkLane::open(uint32_t core, std::string& error) {
  const std::string of = std::to_string(port_.id()) + "_" + std::to_string(core);
  const int socket = rte_eth_dev_socket_id(port_.id());
  if (port_.plan().tx_queues > core) {
    own_queue_ = std::make_unique<DpdkQueue>(port_, static_cast<uint16_t>(core));
  } else if (!sending_.create("sluice_tx_" + of, socket, error)) {
    return false;
  }
  return received_.create("sluice_rx_" + of, socket, error) && bell_.open(error);
}

uint32_t DpdkLane::receive(Packet** frames, uint32_t max) noexcept {
  if (__builtin_expect(!entered_, 0)) {
    entered_ = true;
    DpdkQueue::enter_thread();
  }
  if (__builtin_expect(bell_.armed(), 0)) bell_.disarm();
  const uint32_t count = received_.pop(reinterpret_cast<void**>(frames), max);
  uint64_t bytes = 0;
  for (uint32_t i = 0; i < count; ++i) {
    rte_prefetch0(frames[i]->data);
    bytes += mbuf_of(frames[i])->pkt_len;
  }
  counters_.rx_frames += count;
  counters_.rx_bytes += bytes;
  return count;
}

uint32_t DpdkLane::transmit(Packet** frames, uint32_t count) noexcept {
  if (own_queue_) return own_queue_->transmit(frames, count);
  uint32_t done = 0;
  while (done < count) {
    const uint32_t burst = std::min(count - done, kBurst);
    const uint32_t taken = push_frames(frames + done, burst);
    done += taken;
    if (taken == burst) continue;
    ++counters_.tx_full;
    break;
  }
  if (done != 0) poller_.ring();
  return done;
}

uint32_t DpdkLane::push_frames(Packet** frames, uint32_t count) noexcept {
  void* mbufs[kBurst] = {};
  for (uint32_t i = 0; i < count; ++i) mbufs[i] = prepare_frame(frames[i], false);
  const uint32_t taken = sending_.push(mbufs, count);
  for (uint32_t i = taken; i < count; ++i) take_back(frames[i], false);
  return taken;
}

// What goes through the poller's queue is counted there.
const NicCounters& DpdkLane::counters() noexcept {
  if (!own_queue_) return counters_;
  const NicCounters& sent = own_queue_->counters();
  counters_.tx_frames = sent.tx_frames;
  counters_.tx_bytes = sent.tx_bytes;
  counters_.tx_full = sent.tx_full;
  counters_.tx_refused = sent.tx_refused;
  return counters_;
}

bool DpdkLane::arm() noexcept {
  bell_.arm();
  if (received_.empty()) return true;
  bell_.disarm();
  return false;
}

uint32_t DpdkLane::hand_over() noexcept {
  if (gathered_count_ == 0) return 0;
  const uint32_t count = std::exchange(gathered_count_, 0);
  const uint32_t taken = received_.push(gathered_, count);
  for (uint32_t i = taken; i < count; ++i) pool_.unref_frame(static_cast<Packet*>(gathered_[i]));
  bell_.ring();
  return count - taken;
}

bool DpdkLane::send() noexcept {
  if (own_queue_) return false;
  if (staged_count_ == 0) staged_count_ = sending_.pop(reinterpret_cast<void**>(staged_), kBurst);
  if (staged_count_ == 0) return false;
  const uint32_t taken = polled_.send(staged_, staged_count_);
  staged_count_ -= taken;
  std::memmove(staged_, staged_ + taken, staged_count_ * sizeof staged_[0]);
  return taken != 0;
}

// ---- the core that polls ----

DpdkDistributor::~DpdkDistributor() {
  // The other cores' last words, as far as the device takes them.
  for (const auto& lane : lanes_) {
    while (lane->send()) continue;
  }
  if (epoll_fd_ >= 0) ::close(epoll_fd_);
}

bool DpdkDistributor::open(uint32_t cores, std::string& error) {
  if (!bell_.open(error)) return false;
  for (uint32_t core = 1; core < cores; ++core) {
    lanes_.push_back(std::make_unique<DpdkLane>(port_, queue_, bell_));
    if (!lanes_.back()->open(core, error)) return false;
  }
  epoll_fd_ = epoll_create1(EPOLL_CLOEXEC);
  bool good = epoll_fd_ >= 0;
  for (const int fd : {bell_.fd(), queue_.wait_fd()}) {
    epoll_event event{};
    event.events = EPOLLIN;
    if (fd >= 0) good = good && epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, fd, &event) == 0;
  }
  if (!good) error = std::string("opening the files that a core waits on: ") + std::strerror(errno);
  return good;
}

uint32_t DpdkDistributor::receive(Packet** frames, uint32_t max) noexcept {
  if (__builtin_expect(bell_.armed(), 0)) bell_.disarm();
  for (const auto& lane : lanes_) worked_ = lane->send() || worked_;
  // A caller takes few frames for the end of them, but these may be few only because the others' were among them.
  constexpr int kBursts = 4;
  uint32_t own = 0;
  const uint32_t most = std::min(max, DpdkQueue::kBurst);
  for (int burst = 0; burst < kBursts && own <= most / 2; ++burst) {
    const uint32_t count = queue_.receive(frames + own, most - own);
    worked_ = worked_ || count != 0;
    const bool last = count < most - own;
    own += distribute(frames + own, count);
    if (last) break;
  }
  return own;
}

// Leaves the first core's frames in front and returns how many they are. What belongs to no flow is its: it answers for the addresses.
uint32_t DpdkDistributor::distribute(Packet** frames, uint32_t count) noexcept {
  const auto cores = static_cast<uint32_t>(lanes_.size() + 1);
  if (frames_ == Frames::kFirstCore || cores == 1) return count;
  uint32_t own = 0;
  for (uint32_t i = 0; i < count; ++i) {
    const std::optional<uint16_t> hash = flow_hash(frames[i]->data, frames[i]->length);
    const uint32_t core = hash ? core_of(*hash, cores) : 0;
    if (core == 0) {
      frames[own++] = frames[i];
    } else {
      lanes_[core - 1]->gather(frames[i]);
    }
  }
  for (const auto& lane : lanes_) overflowed_ += lane->hand_over();
  return own;
}

bool DpdkDistributor::arm() noexcept {
  bell_.arm();
  bool waits = false;
  // What stalls has its time (stalled()).
  for (const auto& lane : lanes_) waits = waits || (lane->has_to_send() && !lane->stalled());
  if (!waits && queue_.arm()) return true;
  bell_.disarm();
  return false;
}

bool DpdkDistributor::worked() noexcept { return std::exchange(worked_, false); }

bool DpdkDistributor::stalled() const noexcept {
  return std::any_of(lanes_.begin(), lanes_.end(), [](const auto& lane) { return lane->stalled(); });
}

const NicCounters& DpdkDistributor::counters() noexcept {
  counters_ = queue_.counters();
  counters_.rx_missed += overflowed_;
  return counters_;
}

}  // namespace sluice::nic
