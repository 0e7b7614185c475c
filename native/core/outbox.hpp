#pragma once

#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

#include "base/stream.hpp"
#include "core/connection.hpp"
#include "ws/frame.hpp"

namespace sluice::core {

// Everything that goes out. The writes of one turn are gathered for each connection and offered to the driver once; what a socket
// does not take is kept, in order, until it is writable. Small payloads are copied behind their frame headers so that a pipelined
// connection costs one buffer and one send; large ones and shared frames are sent from where they lie.
class Outbox {
 public:
  // Told when everything that was queued for a slot has been taken, while a flag of its row asks for more.
  class Listener {
   public:
    virtual ~Listener() = default;
    virtual void on_drained(uint32_t slot) = 0;
  };

  // Bytes that may be queued for one connection, and for all of them; see CoreOptions.
  struct Budget {
    uint32_t one;
    uint64_t all;
  };

  // Short frames to one connection behind one another: they are one piece of what it is offered, found and counted once. Until end()
  // nothing else is appended.
  class Run {
   public:
    Run(Outbox& outbox, uint32_t slot) noexcept
        : outbox_(outbox), slot_(slot), begin_(outbox.cork_[outbox.cork_index_].get() + outbox.cork_used_), at_(begin_),
          end_(begin_ + (kCorkBytes - outbox.cork_used_)) {}

    // False where it has to go the general way.
    bool append(ws::Opcode opcode, const uint8_t* payload, uint32_t length) noexcept {
      if (length > kCopyBelow || end_ - at_ < static_cast<ptrdiff_t>(ws::kMaxServerHeader + length)) return false;
      at_ += ws::write_frame_header(at_, opcode, length);
      if (length != 0) std::memcpy(at_, payload, length);
      at_ += length;
      return true;
    }
    uint32_t bytes() const noexcept { return static_cast<uint32_t>(at_ - begin_); }
    void end() {
      if (bytes() != 0) outbox_.append_segment(slot_, {outbox_.cork(bytes()), bytes()});
    }

   private:
    Outbox& outbox_;
    uint32_t slot_;
    uint8_t* begin_;
    uint8_t* at_;
    uint8_t* end_;
  };

  Outbox(ConnectionTable& table, Listener& listener, const Budget& budget);
  ~Outbox();

  void attach(StreamDriver& driver) {
    driver_ = &driver;
    answers_most_ = driver.answers_most();
  }

  // A short frame leaves while what it concerns is in the cache, where nothing of its connection's waits. False: it is append_frame()'s.
  bool answer(uint32_t slot, ws::Opcode opcode, const uint8_t* payload, uint32_t length);
  bool answers() const noexcept { return answers_most_ != 0; }

  // Bytes referred to stay as they are until flush().
  void append_frame(uint32_t slot, ws::Opcode opcode, const uint8_t* payload, uint32_t length);
  // `shared`: what the driver calls the bytes that many are sent.
  void append_reference(uint32_t slot, const uint8_t* data, uint32_t length, uint32_t shared = 0);
  void append_copy(uint32_t slot, const uint8_t* data, uint32_t length);

  // Offers the turn's writes and what became writable. After it no appended reference is held. All writes to the driver happen
  // here, so that no buffer moves while the driver refers to it.
  void flush();
  // True when so much is gathered that flushing now keeps it in cache.
  bool full() const noexcept { return batches_.size() >= kFlushAt; }
  // Has the listener told at the next flush if nothing is queued for the slot.
  void touch(uint32_t slot) { touched_.push_back(slot); }
  void on_written(uint32_t slot, uint32_t accepted, uint32_t offered);
  void on_writable(uint32_t slot);

  // Bytes that wait for the slot's connection.
  uint64_t queued(uint32_t slot) const noexcept;
  // A crowd of which each is within its own can be too much together.
  bool over_budget(uint32_t slot) const noexcept {
    return queued(slot) > budget_.one || (queued_total_ > budget_.all && table_[slot].queue != 0);
  }
  // Forgets what is queued: the stream is gone.
  void discard(uint32_t slot) noexcept;

  uint64_t queued_total() const noexcept { return queued_total_; }
  // Much is queued for all connections together: what is not urgent had better wait.
  bool crowded() const noexcept { return queued_total_ > budget_.all / 4; }
  uint64_t memory() const noexcept { return queue_memory_ + cork_.size() * kCorkBytes; }

 private:
  static constexpr uint32_t kCorkBytes = 256u << 10;
  static constexpr uint32_t kCopyBelow = 2048;  // above, a copy costs more than one more slice
  static constexpr uint64_t kQueueLeast = 256;   // a notice to everybody must not take a page of each
  static constexpr uint32_t kEnd = UINT32_MAX;
  static constexpr uint32_t kFlushAt = 4096;

  struct Segment {
    IoSlice slice;
    uint32_t next = kEnd;
  };
  struct Batch {
    uint32_t slot;
    uint32_t first = kEnd;
    uint32_t last = kEnd;
    uint32_t segments = 0;
    uint64_t bytes = 0;
  };
  struct Queue {
    uint8_t* data = nullptr;
    uint64_t offset = 0;
    uint64_t length = 0;  // from the offset
    uint64_t capacity = 0;
    bool offered = false;  // the driver refers to it
  };

  Batch& batch_of(uint32_t slot);
  Queue& queue_of(uint32_t slot);
  uint8_t* cork(uint32_t length);
  void append_segment(uint32_t slot, IoSlice slice);
  void offer(const Batch& batch);
  template <uint32_t kMost>
  void offer_slices(const Batch& batch, bool last);
  void keep(uint32_t slot, const Batch& batch, uint64_t skip);
  void push(Queue& queue, const uint8_t* data, uint64_t length);
  void offer_queue(uint32_t slot);
  void free_queue(uint32_t slot) noexcept;

  ConnectionTable& table_;
  Listener& listener_;
  StreamDriver* driver_ = nullptr;
  uint32_t answers_most_ = 0;
  Budget budget_;
  std::vector<Segment> segments_;
  std::vector<Batch> batches_;
  std::vector<uint32_t> writable_;
  std::vector<uint32_t> touched_;
  bool flushing_ = false;
  std::vector<std::unique_ptr<uint8_t[]>> cork_;
  uint32_t cork_index_ = 0;
  uint32_t cork_used_ = 0;
  std::vector<Queue> queues_;
  std::vector<uint32_t> free_queues_;
  uint64_t queued_total_ = 0;
  uint64_t queue_memory_ = 0;
};

}  // namespace sluice::core
