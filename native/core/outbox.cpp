#include "core/outbox.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "base/assert.hpp"

namespace sluice::core {

namespace {

uint64_t physical_memory() noexcept {
  const long pages = sysconf(_SC_PHYS_PAGES);
  const long bytes = sysconf(_SC_PAGE_SIZE);
  return pages > 0 && bytes > 0 ? static_cast<uint64_t>(pages) * static_cast<uint64_t>(bytes) : uint64_t{8} << 30;
}

}  // namespace

Outbox::Outbox(ConnectionTable& table, Listener& listener, const Budget& budget)
    : table_(table), listener_(listener), budget_(budget) {
  if (budget_.all == 0) budget_.all = physical_memory() / 8;
  cork_.push_back(std::make_unique<uint8_t[]>(kCorkBytes));
}

Outbox::~Outbox() {
  for (Queue& queue : queues_) std::free(queue.data);
}

// ---- gathering ----

Outbox::Batch& Outbox::batch_of(uint32_t slot) {
  SLUICE_ASSERT(!flushing_);
  ConnectionRow& row = table_[slot];
  if (row.batch == 0) {
    batches_.push_back(Batch{slot});
    row.batch = static_cast<uint32_t>(batches_.size());
  }
  return batches_[row.batch - 1];
}

uint8_t* Outbox::cork(uint32_t length) {
  SLUICE_ASSERT(length <= kCorkBytes);
  if (kCorkBytes - cork_used_ < length) {
    if (++cork_index_ == cork_.size()) cork_.push_back(std::make_unique<uint8_t[]>(kCorkBytes));
    cork_used_ = 0;
  }
  uint8_t* at = cork_[cork_index_].get() + cork_used_;
  cork_used_ += length;
  return at;
}

// By value, in registers: of a slice that was just written to memory a load would wait for the stores.
void Outbox::append_segment(uint32_t slot, IoSlice slice) {
  Batch& batch = batch_of(slot);
  batch.bytes += slice.length;
  if (batch.last != kEnd) {
    IoSlice& last = segments_[batch.last].slice;
    if ((last.shared | slice.shared) == 0 && last.data + last.length == slice.data) {
      last.length += slice.length;
      return;
    }
  }
  const auto index = static_cast<uint32_t>(segments_.size());
  segments_.push_back({slice});
  if (batch.last == kEnd) {
    batch.first = index;
  } else {
    segments_[batch.last].next = index;
  }
  batch.last = index;
  ++batch.segments;
}

void Outbox::append_copy(uint32_t slot, const uint8_t* data, uint32_t length) {
  while (length > 0) {
    const uint32_t part = std::min(length, kCorkBytes);
    uint8_t* at = cork(part);
    std::memcpy(at, data, part);
    append_segment(slot, {at, part});
    data += part;
    length -= part;
  }
}

void Outbox::append_reference(uint32_t slot, const uint8_t* data, uint32_t length, uint32_t shared) {
  append_segment(slot, {data, length, shared});
}

void Outbox::append_frame(uint32_t slot, ws::Opcode opcode, const uint8_t* payload, uint32_t length) {
  if (length <= kCopyBelow) {
    uint8_t* at = cork(ws::kMaxServerHeader + length);
    const uint32_t header = ws::write_frame_header(at, opcode, length);
    if (length != 0) std::memcpy(at + header, payload, length);
    cork_used_ -= ws::kMaxServerHeader - header;
    append_segment(slot, {at, header + length});
    return;
  }
  uint8_t* at = cork(ws::kMaxServerHeader);
  const uint32_t header = ws::write_frame_header(at, opcode, length);
  cork_used_ -= ws::kMaxServerHeader - header;
  append_segment(slot, {at, header});
  append_segment(slot, {payload, length});
}

bool Outbox::answer(uint32_t slot, ws::Opcode opcode, const uint8_t* payload, uint32_t length) {
  if (ws::kMaxServerHeader + length > answers_most_) return false;
  const ConnectionRow& row = table_[slot];
  if ((row.batch | row.queue) != 0 || row.awaits_drain()) return false;
  uint8_t header[ws::kMaxServerHeader] = {};
  AnswerHead head;
  head.bytes = ws::write_frame_header(header, opcode, length);
  std::memcpy(&head.word, header, sizeof head.word);
  return driver_->answer(slot, head, payload, length);
}

// ---- offering ----

void Outbox::flush() {
  flushing_ = true;
  // Connections of one fan-out lie anywhere in memory: without this each would be waited for three times.
  constexpr size_t kFar = 16;
  constexpr size_t kNear = 6;
  const size_t count = batches_.size();
  for (size_t i = 0; i < count; ++i) {
    if (i + kFar < count) driver_->prefetch({&batches_[i + kFar].slot, 1}, false);
    if (i + kNear < count) driver_->prefetch({&batches_[i + kNear].slot, 1}, true);
    if (table_[batches_[i].slot].batch == i + 1) offer(batches_[i]);
  }
  for (const uint32_t slot : writable_) {
    if (table_[slot].queue != 0) offer_queue(slot);
  }
  writable_.clear();
  driver_->flush();
  flushing_ = false;
  // The listener may append: what it touches from here on belongs to the next flush.
  std::vector<Batch> done;
  done.swap(batches_);
  segments_.clear();
  cork_index_ = 0;
  cork_used_ = 0;
  for (const Batch& batch : done) {
    const ConnectionRow& row = table_[batch.slot];
    if (row.awaits_drain() && row.batch == 0 && row.queue == 0) listener_.on_drained(batch.slot);
  }
  std::vector<uint32_t> touched;
  touched.swap(touched_);
  for (const uint32_t slot : touched) {
    if (queued(slot) == 0) listener_.on_drained(slot);
  }
  if (batches_.empty()) {
    done.clear();
    batches_.swap(done);
  }
}

template <uint32_t kMost>
void Outbox::offer_slices(const Batch& batch, bool last) {
  IoSlice slices[kMost];
  uint32_t count = 0;
  for (uint32_t i = batch.first; i != kEnd; i = segments_[i].next) slices[count++] = segments_[i].slice;
  if (last) return driver_->write_last(batch.slot, slices, count);
  driver_->write(batch.slot, slices, count);
}

void Outbox::offer(const Batch& batch) {
  ConnectionRow& row = table_[batch.slot];
  if (row.queue != 0 || batch.segments > StreamDriver::kMaxSlices) {
    const bool idle = row.queue == 0;
    keep(batch.slot, batch, 0);
    row.batch = 0;
    if (idle) writable_.push_back(batch.slot);
    return;
  }
  const bool last = row.ends_when_drained();
  if (batch.segments == 1 && !last) return driver_->write(batch.slot, &segments_[batch.first].slice, 1);
  // Most often there are two, and what is not needed is not made.
  constexpr uint32_t kFew = 4;
  if (batch.segments <= kFew) return offer_slices<kFew>(batch, last);
  offer_slices<StreamDriver::kMaxSlices>(batch, last);
}

void Outbox::on_written(uint32_t slot, uint32_t accepted, uint32_t offered) {
  ConnectionRow& row = table_[slot];
  if (row.queue != 0) {
    Queue& queue = queue_of(slot);
    SLUICE_ASSERT(queue.offered && accepted <= queue.length);
    queue.offered = false;
    queue.offset += accepted;
    queue.length -= accepted;
    queued_total_ -= accepted;
    if (queue.length == 0) {
      free_queue(slot);
      touched_.push_back(slot);
    } else {
      driver_->notify_writable(slot);
    }
    return;
  }
  // Discarded meanwhile: the stream is gone.
  if (row.batch == 0) return;
  if (accepted < offered) {
    keep(slot, batches_[row.batch - 1], accepted);
    driver_->notify_writable(slot);
  }
  row.batch = 0;
}

void Outbox::on_writable(uint32_t slot) {
  if (table_[slot].queue != 0) writable_.push_back(slot);
}

void Outbox::offer_queue(uint32_t slot) {
  // More at once only lengthens the turn: no socket takes it.
  constexpr uint64_t kMaxOffer = 4u << 20;
  Queue& queue = queue_of(slot);
  if (queue.offered) return;
  queue.offered = true;
  const IoSlice slice{queue.data + queue.offset, static_cast<uint32_t>(std::min(queue.length, kMaxOffer))};
  driver_->write(slot, &slice, 1);
}

// ---- what the socket did not take ----

Outbox::Queue& Outbox::queue_of(uint32_t slot) { return queues_[table_[slot].queue - 1]; }

void Outbox::keep(uint32_t slot, const Batch& batch, uint64_t skip) {
  ConnectionRow& row = table_[slot];
  if (row.queue == 0) {
    if (free_queues_.empty()) {
      free_queues_.push_back(static_cast<uint32_t>(queues_.size()));
      queues_.emplace_back();
    }
    row.queue = free_queues_.back() + 1;
    free_queues_.pop_back();
  }
  Queue& queue = queue_of(slot);
  for (uint32_t i = batch.first; i != kEnd; i = segments_[i].next) {
    const IoSlice& slice = segments_[i].slice;
    const uint64_t passed = std::min<uint64_t>(skip, slice.length);
    skip -= passed;
    push(queue, slice.data + passed, slice.length - passed);
  }
}

void Outbox::push(Queue& queue, const uint8_t* data, uint64_t length) {
  if (length == 0) return;
  if (queue.offset + queue.length + length > queue.capacity) {
    if (queue.offset != 0) {
      std::memmove(queue.data, queue.data + queue.offset, queue.length);
      queue.offset = 0;
    }
    if (queue.length + length > queue.capacity) {
      const uint64_t capacity = std::max<uint64_t>((queue.length + length) * 3 / 2, kQueueLeast);
      queue.data = static_cast<uint8_t*>(std::realloc(queue.data, capacity));
      SLUICE_ASSERT(queue.data != nullptr);
      queue_memory_ += capacity - queue.capacity;
      queue.capacity = capacity;
    }
  }
  std::memcpy(queue.data + queue.offset + queue.length, data, length);
  queue.length += length;
  queued_total_ += length;
}

void Outbox::free_queue(uint32_t slot) noexcept {
  Queue& queue = queue_of(slot);
  std::free(queue.data);
  queue_memory_ -= queue.capacity;
  queued_total_ -= queue.length;
  queue = Queue{};
  free_queues_.push_back(table_[slot].queue - 1);
  table_[slot].queue = 0;
}

uint64_t Outbox::queued(uint32_t slot) const noexcept {
  const ConnectionRow& row = table_[slot];
  return (row.batch != 0 ? batches_[row.batch - 1].bytes : 0) + (row.queue != 0 ? queues_[row.queue - 1].length : 0);
}

void Outbox::discard(uint32_t slot) noexcept {
  if (table_[slot].queue != 0) free_queue(slot);
  table_[slot].batch = 0;
}

}  // namespace sluice::core
