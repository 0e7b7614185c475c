#pragma once

#include <cstdint>

#include "core/endings.hpp"
#include "core/lifecycle.hpp"
#include "core/parts.hpp"
#include "queue/ring.hpp"

namespace sluice::core {

// The core's end of its command ring. Nothing in a command is believed: rows are checked by generation, addresses against the region.
class CommandReader {
 public:
  CommandReader(Parts& parts, Lifecycle& lifecycle, Endings& endings, hub::DeliverySink& sink);

  // Carries out at most `budget` commands; their bytes are referred to until done() is called. Returns how many.
  uint32_t run(uint32_t budget);
  // The writes that the commands led to were offered: the ring and its bytes are free again. True when the writer waits for that.
  bool done();

  bool corrupted() const noexcept { return ring_.corrupted(); }
  // The writer is gone: whatever it had not finished is dropped, and the next one begins behind what was read.
  void reset() noexcept { ring_.reset(); }
  bool pending() noexcept { return ring_.available() != 0; }
  queue::RingConsumer& ring() noexcept { return ring_; }

 private:
  void carry_out(const queue::Record& command);
  void for_row(const queue::Record& command);
  uint32_t send_run(uint32_t from, uint32_t count);
  void send(const queue::Record& command);
  void welcome(const queue::Record& command);
  void close(const queue::Record& command);
  void publish(const queue::Record& command);
  void confirm(const queue::Record& command);
  void note_channel(const queue::Record& command);
  bool for_subscription(const queue::Record& command);
  void subscribe(uint32_t slot, uint32_t channel, uint64_t seq);
  void guard_queue(uint32_t slot);
  void prefetch_for(const queue::Record& command) const noexcept;
  void prefetch_near(const queue::Record& command) const noexcept;
  const uint8_t* bytes_of(const queue::Record& command);

  Parts& parts_;
  Lifecycle& lifecycle_;
  Endings& endings_;
  hub::DeliverySink& sink_;
  queue::RingConsumer ring_;
  uint32_t data_tail_;
};

}  // namespace sluice::core
