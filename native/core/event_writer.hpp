#pragma once

#include <cstdint>
#include <deque>
#include <vector>

#include "base/block_pool.hpp"
#include "base/buddy.hpp"
#include "base/stream.hpp"
#include "queue/counters.hpp"
#include "queue/region.hpp"
#include "queue/ring.hpp"

namespace sluice::core {

// The core's end of its event ring. An event holds a reference on the bytes that it names until the control plane has confirmed it.
class EventWriter {
 public:
  EventWriter(queue::Region& region, uint32_t core, BlockPool& blocks, Buddy& assembly, queue::Counters& counters);

  // True when a message (or an opening, two records) can be written now. Otherwise its connection waits.
  bool room() noexcept { return overflow_.empty() && ring_.free_known() >= 2; }

  // Bytes at `data` lie in a receive block (a reference is taken) or are a piece of the assembly window (ownership passes).
  void open(uint32_t slot, uint32_t generation, const uint8_t* head, uint32_t length, const PeerAddress& peer);
  void message(uint32_t slot, uint32_t generation, const uint8_t* data, uint32_t length, uint32_t header_length, bool text) {
    queue::Record& record = claim(length != 0 ? hold(data) : 0);
    fill(record, queue::kEventMessage, slot, generation, length != 0 ? region_.address_of(data) : 0, length);
    if (text) record.flags = queue::kFlagText;
    record.a = header_length;
  }

  // The following are never lost: where the ring is full they wait here, at most a few for each connection.
  void close(uint32_t slot, uint32_t generation, uint16_t code, const uint8_t* reason, uint32_t length);
  void writable(uint32_t slot, uint32_t generation);
  void lagging(uint32_t slot, uint32_t generation, uint32_t channel, uint64_t next_seq);
  void notice(queue::NoticeCode code, uint32_t value);

  // The control plane is done with `count` events from `first` on, in whatever order; false when they are no such events. It says so
  // by a command, so that this takes effect together with what else it wrote about them: a successor sees both or neither.
  bool confirm(uint32_t first, uint32_t count) noexcept;
  // Releases the events, with their bytes, up to the first that is not done with.
  void reclaim() noexcept;
  // Makes written events visible; true when the reader must be woken.
  bool publish() noexcept;

  // Position of the oldest event that is not done with, and whether a later one is.
  uint32_t oldest() const noexcept { return reclaimed_; }
  bool is_done(uint32_t position) const noexcept { return done_[position & (ring_.capacity() - 1)] != 0; }
  uint32_t position() const noexcept { return ring_.position(); }
  // Is a message of this connection not done with, up to the one whose position ends in these bits? Then they become those of the latest.
  bool unconfirmed(uint32_t slot, uint32_t generation, uint16_t& low_bits) const noexcept;

 private:
  void emit(const queue::Record& record);
  void write(const queue::Record& record);
  // `held`: the address that the record holds, 0 for none.
  queue::Record& claim(uint32_t held) noexcept {
    held_[ring_.position() & (ring_.capacity() - 1)] = held;
    return ring_.claim_known();
  }
  // Made where it stays: a record that is copied as soon as its fields are written waits for all of them to reach the cache, and for what
  // was written before.
  static void fill(queue::Record& record, uint8_t type, uint32_t slot, uint32_t generation, uint32_t address, uint32_t length) noexcept {
    record.type = type;
    record.flags = 0;
    record.code = 0;
    record.slot = slot;
    record.generation = generation;
    record.address = address;
    record.length = length;
    record.a = record.b = record.c = 0;
  }
  void drain_overflow();
  // For the next record: the address that it holds. Records are reclaimed in order, so the last one of those with bytes in the same block
  // holds it for all of them.
  uint32_t hold(const uint8_t* data) noexcept {
    const uint32_t position = ring_.position();
    if (blocks_.contains(data)) {
      const uint32_t block = blocks_.block_of(data);
      if (block == held_block_) {
        held_[held_at_ & (ring_.capacity() - 1)] = 0;
      } else {
        blocks_.ref(block);
        held_block_ = block;
      }
      held_at_ = position;
    }
    return region_.address_of(data);
  }

  queue::Region& region_;
  BlockPool& blocks_;
  Buddy& assembly_;
  queue::Counters& counters_;
  queue::RingProducer ring_;
  uint32_t reclaimed_;
  // The receive block that was held last, until it is let go, and the position of the record that holds it.
  uint32_t held_block_ = BlockPool::kNone;
  uint32_t held_at_ = 0;
  // Address that each record in the ring holds, 0 for none. Private: what is freed must not be read back from a region that others write.
  std::vector<uint32_t> held_;
  std::vector<uint8_t> done_;
  std::deque<queue::Record> overflow_;
};

}  // namespace sluice::core
