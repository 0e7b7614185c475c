#include "net/neighbor_cache.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include "base/assert.hpp"
#include "net/special_addresses.hpp"

namespace sluice::net {

NeighborCache::NeighborCache(const InterfaceOptions& options, Link& link)
    : link_(link), key_(options.key), entries_(std::max(options.neighbors, 16u)),
      buckets_(std::bit_ceil(std::max(options.neighbors, 16u)), kNone),
      waiting_(static_cast<uint32_t>(entries_.size()) * kWaitingShare) {}

uint32_t NeighborCache::bucket_of(const IpAddress& address) const noexcept {
  return static_cast<uint32_t>(siphash13(key_, address.bytes, sizeof address.bytes)) & (static_cast<uint32_t>(buckets_.size()) - 1);
}

NeighborCache::Entry* NeighborCache::find(const IpAddress& address) noexcept {
  for (uint32_t at = buckets_[bucket_of(address)]; at != kNone; at = entries_[at].next) {
    if (entries_[at].address == address) return &entries_[at];
  }
  return nullptr;
}

const nic::MacAddress* NeighborCache::resolve(const IpAddress& address, uint64_t now_us) {
  Entry* entry = &entries_[last_];
  if (entry->state == State::kFree || entry->address != address) {
    entry = find(address);
    if (entry == nullptr) {
      entry = &create(address, now_us);
      start_timer(*entry, State::kIncomplete, now_us + kRetransmitUs);
      entry->solicits = 1;
      link_.solicit(address, nullptr);
    }
    last_ = static_cast<uint32_t>(entry - entries_.data());
  }
  entry->used_us = now_us;
  if (entry->state == State::kIncomplete) return nullptr;
  const bool reachable = entry->state == State::kReachable && now_us < entry->due_us;
  // The first packet to a stale neighbour goes out at once; upper layers may confirm it meanwhile (RFC 4861 §7.3.3).
  if (!reachable && (entry->state == State::kStale || entry->state == State::kReachable)) {
    entry->solicits = 0;
    start_timer(*entry, State::kDelay, now_us + kDelayUs);
  }
  return &entry->mac;
}

void NeighborCache::hold(const IpAddress& address, nic::Packet* packet) {
  Entry* const entry = find(address);
  SLUICE_ASSERT(entry != nullptr && entry->state == State::kIncomplete);
  // RFC 4861 §7.2.2: where the queue is full the oldest makes room.
  if (entry->waiting.count == kWaitingPerNeighbor || waiting_.full()) {
    link_.give_up(waiting_.pop(entry->waiting.count >= kWaitingShare ? entry->waiting : crowded().waiting));
  }
  waiting_.push(entry->waiting, packet);
}

// All slots are used, and one entry has fewer than its share: another has more.
NeighborCache::Entry& NeighborCache::crowded() noexcept {
  const auto count = static_cast<uint32_t>(entries_.size());
  for (uint32_t i = 0; i < count && entries_[crowded_].waiting.count <= kWaitingShare; ++i) crowded_ = (crowded_ + 1) % count;
  SLUICE_ASSERT(entries_[crowded_].waiting.count > kWaitingShare);
  return entries_[crowded_];
}

void NeighborCache::heard(const IpAddress& address, const uint8_t* mac, Evidence evidence, uint64_t now_us) {
  Entry* entry = find(address);
  if (entry == nullptr) {
    // Only who asks for us is about to be sent to (RFC 826; RFC 4861 §7.2.3); others would fill the cache (§7.2.5).
    if (evidence == Evidence::kAsked) learn(create(address, now_us), mac, State::kStale, now_us);
    return;
  }
  const bool solicited = evidence == Evidence::kAnswered || evidence == Evidence::kAnsweredWeakly;
  if (entry->state == State::kIncomplete) return learn(*entry, mac, solicited ? State::kReachable : State::kStale, now_us);
  const bool same = same_mac(entry->mac.bytes, mac);
  const bool weak = evidence == Evidence::kAnsweredWeakly || evidence == Evidence::kAnnouncedWeakly;
  if (weak && !same) {
    // RFC 4861 §7.2.5, case I: not believed, but a reason to verify.
    if (entry->state == State::kReachable) entry->state = State::kStale;
    return;
  }
  if (solicited) return learn(*entry, mac, State::kReachable, now_us);
  if (!same) learn(*entry, mac, State::kStale, now_us);
}

void NeighborCache::seen(const IpAddress& address, const uint8_t* mac, uint64_t now_us) {
  Entry* entry = &entries_[last_];
  if (entry->state == State::kFree || entry->address != address) entry = find(address);
  if (entry == nullptr) entry = &create(address, now_us);
  learn(*entry, mac, State::kReachable, now_us);
}

// RFC 4861 §7.3.3 and RFC 1122 §2.3.2.1 (2): the unicast poll, without the delay in which upper layers could have said the opposite.
void NeighborCache::doubt(const IpAddress& address, uint64_t now_us) {
  Entry* const entry = find(address);
  if (entry == nullptr || entry->state == State::kIncomplete || entry->state == State::kProbe) return;
  // It has just answered: what is wrong is behind it. One that does may be asked once a second (RFC 1122 §2.3.2.1).
  if (entry->state == State::kReachable && now_us < entry->due_us - kReachableUs + kRetransmitUs) return;
  entry->solicits = 0;
  start_timer(*entry, State::kProbe, now_us);
}

void NeighborCache::learn(Entry& entry, const uint8_t* mac, State state, uint64_t now_us) {
  std::memcpy(entry.mac.bytes, mac, sizeof entry.mac.bytes);
  if (state == State::kReachable) {
    confirm(entry, now_us);
  } else {
    entry.state = state;
  }
  release_waiting(entry);
}

void NeighborCache::confirm(Entry& entry, uint64_t now_us) noexcept {
  entry.state = State::kReachable;
  entry.due_us = now_us + kReachableUs;
  entry.solicits = 0;
}

void NeighborCache::release_waiting(Entry& entry) {
  WaitingPackets::List waiting = std::exchange(entry.waiting, {});
  const nic::MacAddress mac = entry.mac;
  while (waiting.count != 0) link_.release(waiting_.pop(waiting), mac);
}

void NeighborCache::start_timer(Entry& entry, State state, uint64_t due_us) noexcept {
  entry.state = state;
  entry.due_us = due_us;
  next_due_us_ = std::min(next_due_us_, due_us);
}

void NeighborCache::advance(uint64_t now_us) {
  if (now_us < next_due_us_) return;
  next_due_us_ = UINT64_MAX;
  for (Entry& entry : entries_) {
    const bool timed = entry.state == State::kIncomplete || entry.state == State::kDelay || entry.state == State::kProbe;
    if (!timed) continue;
    if (entry.due_us <= now_us) {
      step(entry, now_us);
    } else {
      next_due_us_ = std::min(next_due_us_, entry.due_us);
    }
  }
}

void NeighborCache::step(Entry& entry, uint64_t now_us) {
  if (entry.state == State::kDelay) {
    entry.solicits = 0;
    entry.state = State::kProbe;
  }
  if (entry.solicits == kMaxSolicits) return remove(entry);
  ++entry.solicits;
  start_timer(entry, entry.state, now_us + kRetransmitUs);
  link_.solicit(entry.address, entry.state == State::kProbe ? &entry.mac : nullptr);
}

NeighborCache::Entry& NeighborCache::create(const IpAddress& address, uint64_t now_us) {
  const uint32_t slot = free_slot();
  Entry& entry = entries_[slot];
  entry.address = address;
  entry.state = State::kStale;
  entry.solicits = 0;
  entry.used_us = now_us;
  uint32_t& bucket = buckets_[bucket_of(address)];
  entry.next = bucket;
  bucket = slot;
  ++size_;
  return entry;
}

// The slot of a free entry; of sixteen in a row the one that was unused the longest has to go where all are taken.
uint32_t NeighborCache::free_slot() {
  const auto count = static_cast<uint32_t>(entries_.size());
  uint32_t oldest = hand_;
  for (uint32_t i = 0; i < (size_ < count ? count : 16); ++i) {
    const uint32_t slot = (hand_ + i) % count;
    if (entries_[slot].state == State::kFree) {
      oldest = slot;
      break;
    }
    if (entries_[slot].used_us < entries_[oldest].used_us) oldest = slot;
  }
  hand_ = (oldest + 1) % count;
  if (entries_[oldest].state != State::kFree) remove(entries_[oldest]);
  return oldest;
}

void NeighborCache::remove(Entry& entry) {
  const auto slot = static_cast<uint32_t>(&entry - entries_.data());
  uint32_t* at = &buckets_[bucket_of(entry.address)];
  while (*at != slot) at = &entries_[*at].next;
  *at = entry.next;
  entry.state = State::kFree;
  --size_;
  WaitingPackets::List waiting = std::exchange(entry.waiting, {});
  while (waiting.count != 0) link_.give_up(waiting_.pop(waiting));
}

void NeighborCache::clear() {
  for (Entry& entry : entries_) {
    if (entry.state != State::kFree) remove(entry);
  }
}

}  // namespace sluice::net
