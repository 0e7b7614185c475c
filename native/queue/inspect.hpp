#pragma once

#include <atomic>
#include <cstdint>

#include "base/stream_info.hpp"

// Where an inspector asks a core about its connections: the one place of the region that it writes to. Neither side waits for the other:
// a core answers when it takes care of its deadlines, a page at a time.

namespace sluice::queue {

struct InspectRecord {
  uint32_t slot;
  uint32_t generation;
  uint32_t state;          // of the WebSocket: 1 handshake, 2 open, 3 closing
  uint32_t age_ms;
  uint32_t queued;         // bytes that wait for the driver to take them
  uint32_t subscriptions;
  uint32_t paused;         // not 0: nothing is read from it
  StreamInfo stream;
};
static_assert(sizeof(InspectRecord) == 136);

struct alignas(64) InspectMailbox {
  static constexpr uint32_t kRecords = 120;
  static constexpr uint32_t kEnd = UINT32_MAX;

  std::atomic<uint32_t> asker;    // pid of who asks; 0: nobody
  std::atomic<uint32_t> request;  // grows with each question, written behind it
  std::atomic<uint32_t> answer;   // the question that was answered last, written behind the answer
  uint32_t from;                  // asked: the first row to look at
  uint32_t next;                  // answered: where to go on; kEnd: that was all
  uint32_t count;                 // of records
  uint8_t family;                 // asked: 4 or 6: of this remote address only; 0: any
  uint8_t reserved;
  uint16_t port;                  // asked: of this remote port only; 0: any
  uint8_t ip[16];
  uint8_t reserved2[20];
  InspectRecord records[kRecords];
};
static_assert(offsetof(InspectMailbox, records) == 64);

// The core's end.
class InspectAnswers {
 public:
  explicit InspectAnswers(InspectMailbox& mailbox) noexcept : mailbox_(mailbox) {}

  // Acquire: the question is read after the number that says that it is there.
  bool asked() const noexcept {
    return mailbox_.request.load(std::memory_order_acquire) != mailbox_.answer.load(std::memory_order_relaxed);
  }
  InspectMailbox& mailbox() noexcept { return mailbox_; }
  // Release: the answer is there before its number.
  void answered() noexcept { mailbox_.answer.store(mailbox_.request.load(std::memory_order_relaxed), std::memory_order_release); }

 private:
  InspectMailbox& mailbox_;
};

}  // namespace sluice::queue
