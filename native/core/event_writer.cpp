#include "core/event_writer.hpp"

#include <cstring>

namespace sluice::core {

using queue::Record;

namespace {

queue::RingProducer producer(queue::Region& region, uint32_t core) {
  const queue::Section& section = region.section(queue::kSectionEventRing, core);
  auto* header = reinterpret_cast<queue::RingHeader*>(region.base() + section.offset);
  return {header, reinterpret_cast<Record*>(header + 1), section.element_count};
}

}  // namespace

EventWriter::EventWriter(queue::Region& region, uint32_t core, BlockPool& blocks, Buddy& assembly, queue::Counters& counters)
    : region_(region), blocks_(blocks), assembly_(assembly), counters_(counters), ring_(producer(region, core)),
      reclaimed_(ring_.position()), held_(ring_.capacity(), 0), done_(ring_.capacity(), 0) {}

void EventWriter::write(const Record& record) {
  claim(record.type == queue::kEventClose && record.length != 0 ? record.address : 0) = record;
}

void EventWriter::open(uint32_t slot, uint32_t generation, const uint8_t* head, uint32_t length, const PeerAddress& peer) {
  SLUICE_ASSERT(room());
  fill(claim(length != 0 ? hold(head) : 0), queue::kEventOpen, slot, generation, region_.address_of(head), length);
  Record& second = claim(0);
  fill(second, queue::kEventOpenPeer, slot, generation, 0, 0);
  second.code = peer.family;
  second.c = peer.port;
  static_assert(offsetof(Record, c) - offsetof(Record, address) == sizeof peer.ip);
  std::memcpy(reinterpret_cast<uint8_t*>(&second) + offsetof(Record, address), peer.ip, sizeof peer.ip);
}

void EventWriter::close(uint32_t slot, uint32_t generation, uint16_t code, const uint8_t* reason, uint32_t length) {
  uint32_t address = 0;
  if (length != 0) {
    // The reason lies in a receive block or on the stack; the event outlives both. A full window costs the reason only.
    const uint32_t piece = assembly_.allocate(length);
    if (piece == Buddy::kNone) {
      length = 0;
    } else {
      std::memcpy(assembly_.data(piece), reason, length);
      address = region_.address_of(assembly_.data(piece));
    }
  }
  emit(Record{queue::kEventClose, 0, code, slot, generation, address, length, 0, 0, 0});
}

void EventWriter::writable(uint32_t slot, uint32_t generation) {
  emit(Record{queue::kEventWritable, 0, 0, slot, generation, 0, 0, 0, 0, 0});
}

void EventWriter::lagging(uint32_t slot, uint32_t generation, uint32_t channel, uint64_t next_seq) {
  emit(Record{queue::kEventLagging, 0, 0, slot, generation, 0, 0, channel, static_cast<uint32_t>(next_seq),
              static_cast<uint32_t>(next_seq >> 32)});
}

void EventWriter::notice(queue::NoticeCode code, uint32_t value) {
  emit(Record{queue::kEventNotice, 0, code, 0, 0, 0, 0, value, 0, 0});
}

void EventWriter::emit(const Record& record) {
  if (!overflow_.empty() || ring_.free_known() == 0) {
    counters_.add(queue::Counter::event_ring_full);
    overflow_.push_back(record);
    return;
  }
  write(record);
}

void EventWriter::drain_overflow() {
  while (!overflow_.empty() && ring_.free_known() != 0) {
    write(overflow_.front());
    overflow_.pop_front();
  }
}

bool EventWriter::confirm(uint32_t first, uint32_t count) noexcept {
  const uint32_t pending = ring_.position() - reclaimed_;
  // What was reclaimed meanwhile may be named once more, with what comes behind it.
  const uint32_t before = reclaimed_ - first;
  if (before != 0 && before < 1u << 31) {
    if (count <= before) return true;
    first += before;
    count -= before;
  }
  const uint32_t ahead = first - reclaimed_;
  if (ahead > pending || count > pending - ahead) return false;
  for (uint32_t i = 0; i < count; ++i) done_[(first + i) & (ring_.capacity() - 1)] = 1;
  return true;
}

// Events are confirmed in any order: behind one that is may be another, whose answer takes longer.
bool EventWriter::unconfirmed(uint32_t slot, uint32_t generation, uint16_t& low_bits) const noexcept {
  const uint32_t last = static_cast<uint16_t>(low_bits - reclaimed_);
  if (last >= ring_.position() - reclaimed_) return false;
  for (uint32_t i = last + 1; i-- > 0;) {
    const uint32_t position = reclaimed_ + i;
    if (is_done(position)) continue;
    const Record& record = ring_.at(position);
    if (record.slot != slot || record.generation != generation || record.type != queue::kEventMessage) continue;
    low_bits = static_cast<uint16_t>(position);
    return true;
  }
  return false;
}

void EventWriter::reclaim() noexcept {
  const uint32_t before = reclaimed_;
  for (; reclaimed_ != ring_.position(); ++reclaimed_) {
    const uint32_t at = reclaimed_ & (ring_.capacity() - 1);
    if (done_[at] == 0) break;
    done_[at] = 0;
    const uint32_t address = held_[at];
    if (address == 0) continue;
    const uint8_t* data = region_.base() + address;
    if (blocks_.contains(data)) {
      blocks_.unref(blocks_.block_of(data));
      if (reclaimed_ == held_at_) held_block_ = BlockPool::kNone;
    } else {
      assembly_.free(static_cast<uint32_t>(data - assembly_.data(0)));
    }
  }
  if (reclaimed_ == before) return;
  ring_.give_back(reclaimed_);
  drain_overflow();
}

bool EventWriter::publish() noexcept {
  drain_overflow();
  return ring_.publish();
}

}  // namespace sluice::core
