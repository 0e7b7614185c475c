#include "tcp/time_wait.hpp"

#include <algorithm>

namespace sluice::tcp {

TimeWaitTable::TimeWaitTable(uint32_t size, FlowTable& flows, const LocalAddresses& locals)
    : records_(std::max(size, 1u)), flows_(flows), locals_(locals) {}

TimeWait& TimeWaitTable::add(FlowRef before, uint32_t hash, uint32_t due_ms, bool& evicted) noexcept {
  uint32_t index = records_.allocate();
  evicted = index == kNone;
  if (evicted) {
    remove(first_);
    index = records_.allocate();
  }
  TimeWait& record = records_[index];
  record.hash = hash;
  record.due_ms = due_ms;
  link(index);
  flows_.replace(hash, before, FlowRef::make(FlowKind::kTimeWait, index));
  return record;
}

void TimeWaitTable::remove(uint32_t index) noexcept {
  flows_.remove(records_[index].hash, FlowRef::make(FlowKind::kTimeWait, index));
  unlink(index);
  records_.release(index);
}

bool TimeWaitTable::is(uint32_t index, const net::Flow& flow) const noexcept {
  const TimeWait& record = records_[index];
  return record.remote_port == flow.remote_port && record.local_port == flow.local_port && record.remote == flow.remote &&
         locals_[record.local] == flow.local;
}

void TimeWaitTable::link(uint32_t index) noexcept {
  TimeWait& record = records_[index];
  record.next = kNone;
  record.previous = last_;
  if (last_ != kNone) {
    records_[last_].next = index;
  } else {
    first_ = index;
  }
  last_ = index;
}

void TimeWaitTable::unlink(uint32_t index) noexcept {
  const TimeWait& record = records_[index];
  if (record.previous != kNone) {
    records_[record.previous].next = record.next;
  } else {
    first_ = record.next;
  }
  if (record.next != kNone) {
    records_[record.next].previous = record.previous;
  } else {
    last_ = record.previous;
  }
}

uint32_t TimeWaitTable::due(uint32_t now_ms) const noexcept {
  return first_ != kNone && !clock_before(now_ms, records_[first_].due_ms) ? first_ : kNone;
}

void TimeWaitTable::restart(uint32_t index, uint32_t due_ms) noexcept {
  unlink(index);
  records_[index].due_ms = due_ms;
  link(index);
}

bool TimeWaitTable::next_due(uint32_t& due_ms) const noexcept {
  if (first_ == kNone) return false;
  due_ms = records_[first_].due_ms;
  return true;
}

}  // namespace sluice::tcp
