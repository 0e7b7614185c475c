#include "tcp/half_open.hpp"

#include <algorithm>
#include <iterator>

#include "base/assert.hpp"

namespace sluice::tcp {

void HalfOpen::store(const Negotiated& agreed) noexcept {
  ts_recent = agreed.ts_recent;
  peer_mss = agreed.peer_mss;
  send_shift = agreed.send_shift;
  flags = static_cast<uint8_t>((agreed.timestamps ? kTimestamps : 0) | (agreed.sack ? kSack : 0) | (agreed.scaled ? kScaled : 0) |
                               (agreed.ecn ? kEcn : 0));
}

Negotiated HalfOpen::agreed() const noexcept {
  Negotiated out;
  out.ts_recent = ts_recent;
  out.peer_mss = peer_mss;
  out.send_shift = send_shift;
  out.timestamps = (flags & kTimestamps) != 0;
  out.sack = (flags & kSack) != 0;
  out.scaled = (flags & kScaled) != 0;
  out.ecn = (flags & kEcn) != 0;
  return out;
}

HalfOpenTable::HalfOpenTable(uint32_t size, uint32_t per_address_max, FlowTable& flows, const LocalAddresses& locals, const SipKey& key)
    : records_(std::max(size, 1u)), per_address_max_(size == 0 ? 0 : std::min(per_address_max, 65'535u)), flows_(flows), locals_(locals),
      key_(key), counts_(kCounts) {
  std::fill(std::begin(first_), std::end(first_), kNone);
  std::fill(std::begin(last_), std::end(last_), kNone);
}

uint16_t& HalfOpenTable::count(const net::IpAddress& remote) noexcept {
  // Of IPv6 the network part: a site has as many addresses as it wants (RFC 4291 §2.5.4).
  const size_t length = remote.is_v4() ? 16 : 8;
  return counts_[siphash13(key_, remote.bytes, length) % kCounts];
}

uint32_t HalfOpenTable::add(const net::Flow& flow, uint8_t local, uint32_t hash, uint32_t due_ms) noexcept {
  // In a flood the table is full, and the address is not worth a hash.
  if (records_.used() == records_.size()) return kNone;
  uint16_t& of_address = count(flow.remote);
  if (of_address >= per_address_max_) return kNone;
  const uint32_t index = records_.allocate();
  if (index == kNone) return kNone;
  records_.prefetch_next();
  ++of_address;
  HalfOpen& record = records_[index];
  record.remote = flow.remote;
  record.remote_port = flow.remote_port;
  record.local_port = flow.local_port;
  record.local = local;
  record.hash = hash;
  record.due_ms = due_ms;
  link(index);
  flows_.insert(hash, FlowRef::make(FlowKind::kHalfOpen, index));
  return index;
}

void HalfOpenTable::remove(uint32_t index) noexcept {
  HalfOpen& record = records_[index];
  flows_.remove(record.hash, FlowRef::make(FlowKind::kHalfOpen, index));
  unlink(index);
  --count(record.remote);
  records_.release(index);
}

bool HalfOpenTable::is(uint32_t index, const net::Flow& flow) const noexcept {
  const HalfOpen& record = records_[index];
  return record.remote_port == flow.remote_port && record.local_port == flow.local_port && record.remote == flow.remote &&
         locals_[record.local] == flow.local;
}

void HalfOpenTable::link(uint32_t index) noexcept {
  HalfOpen& record = records_[index];
  SLUICE_ASSERT(record.tries <= kMaxTries);
  record.next = kNone;
  record.previous = last_[record.tries];
  if (record.previous != kNone) {
    records_[record.previous].next = index;
  } else {
    first_[record.tries] = index;
  }
  last_[record.tries] = index;
}

void HalfOpenTable::unlink(uint32_t index) noexcept {
  const HalfOpen& record = records_[index];
  if (record.previous != kNone) {
    records_[record.previous].next = record.next;
  } else {
    first_[record.tries] = record.next;
  }
  if (record.next != kNone) {
    records_[record.next].previous = record.previous;
  } else {
    last_[record.tries] = record.previous;
  }
}

uint32_t HalfOpenTable::due(uint32_t now_ms) const noexcept {
  for (const uint32_t index : first_) {
    if (index != kNone && !clock_before(now_ms, records_[index].due_ms)) return index;
  }
  return kNone;
}

void HalfOpenTable::put_off(uint32_t index, uint32_t due_ms) noexcept {
  unlink(index);
  records_[index].due_ms = due_ms;
  ++records_[index].tries;
  link(index);
}

bool HalfOpenTable::next_due(uint32_t& due_ms) const noexcept {
  bool any = false;
  for (const uint32_t index : first_) {
    if (index == kNone) continue;
    if (!any || clock_before(records_[index].due_ms, due_ms)) due_ms = records_[index].due_ms;
    any = true;
  }
  return any;
}

}  // namespace sluice::tcp
