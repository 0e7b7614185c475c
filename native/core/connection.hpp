#pragma once

#include <cstdint>
#include <vector>

#include "ws/frame.hpp"

namespace sluice::core {

enum class ConnectionState : uint8_t {
  kFree = 0,
  kHandshake,  // HTTP: no whole request head yet
  kOpen,
  kClosing,    // our last bytes are on their way or sent; whatever still comes is discarded or only looked at for the peer's close
  kGone,       // the stream is over; the row waits for the control plane's release
};

enum ConnectionFlag : uint16_t {
  kPausedByCommand = 1 << 0,
  kPausedByQueue = 1 << 1,    // more is queued for it than its send budget: it may not send until it reads
  kStalled = 1 << 2,          // the event ring was full: the rest of its input is stashed
  kAdmitted = 1 << 3,
  kNotifyWritable = 1 << 4,
  kCloseAfterFlush = 1 << 5,  // close the stream when the queue is empty
  kEndAfterFlush = 1 << 6,    // send FIN when the queue is empty, then wait for the peer's
  kAnnounced = 1 << 7,        // the control plane knows it: its row waits for release
  kCloseTold = 1 << 8,
  kDiscard = 1 << 9,          // nothing that comes is parsed any more
  kReleased = 1 << 10,        // the control plane gave the row back while its last bytes were still on their way
  kEnding = 1 << 11,          // an ending waits for answers (core/endings.hpp)
  kStreamEnded = 1 << 12,     // FIN has come while that ending waited
  kAnswering = 1 << 13,       // the control plane has taken what it said, and answers later
};

// One connection of a core, in the region: an idle one has nothing besides this row (and its driver's). All zero: free.
struct ConnectionRow {
  uint32_t generation;
  ConnectionState state;
  uint8_t heartbeats_missed : 4;
  uint8_t heartbeats_spared : 4;  // since it was heard (heartbeat.cpp)
  uint16_t flags;
  ws::ParserState parser;
  uint32_t message_address;  // message in progress that spans receive blocks; 0: none
  uint32_t message_length;   // in the handshake: how far the head was scanned
  uint32_t stash_address;    // input that could not be parsed yet; 0: none
  uint32_t stash_length;
  uint32_t batch;            // 1 + index of its writes of this turn; 0: none
  uint32_t queue;            // 1 + index of bytes that its socket did not take; 0: none
  uint16_t received_tick;
  uint16_t sent_tick;
  uint16_t close_code;
  uint16_t last_event;       // low bits of the place among the events of its last message, or of an earlier one that is still unanswered
  uint32_t subscriptions;    // channels of this core's hub that the row is in
  uint32_t opened_ds;        // when it was accepted, in units of kOpenedUnitUs

  static constexpr uint64_t kOpenedUnitUs = 100'000;

  bool has(ConnectionFlag flag) const noexcept { return (flags & flag) != 0; }
  void set(ConnectionFlag flag) noexcept { flags = static_cast<uint16_t>(flags | flag); }
  void clear(ConnectionFlag flag) noexcept { flags = static_cast<uint16_t>(flags & ~flag); }
  // Something is to be done when nothing is queued for it any more (Lifecycle::drained).
  bool ends_when_drained() const noexcept { return (flags & (kCloseAfterFlush | kEndAfterFlush)) != 0; }
  bool awaits_drain() const noexcept { return (flags & (kPausedByQueue | kNotifyWritable | kCloseAfterFlush | kEndAfterFlush)) != 0; }
  bool paused() const noexcept { return (flags & (kPausedByCommand | kPausedByQueue | kStalled)) != 0; }
};
static_assert(sizeof(ConnectionRow) == 64);

// Hands out rows, lowest first after start, most recently freed first later: few rows are ever touched by few connections.
class ConnectionTable {
 public:
  static constexpr uint32_t kNone = UINT32_MAX;

  ConnectionTable(ConnectionRow* rows, uint32_t capacity) : rows_(rows), capacity_(capacity) {}

  uint32_t allocate();
  void release(uint32_t slot);

  ConnectionRow& operator[](uint32_t slot) noexcept { return rows_[slot]; }
  const ConnectionRow& operator[](uint32_t slot) const noexcept { return rows_[slot]; }
  bool valid(uint32_t slot, uint32_t generation) const noexcept { return slot < high_water_ && rows_[slot].generation == generation; }
  uint32_t capacity() const noexcept { return capacity_; }
  uint32_t high_water() const noexcept { return high_water_; }
  uint32_t in_use() const noexcept { return in_use_; }

 private:
  ConnectionRow* rows_;
  uint32_t capacity_;
  uint32_t high_water_ = 0;
  uint32_t in_use_ = 0;
  std::vector<uint32_t> free_;
};

}  // namespace sluice::core
