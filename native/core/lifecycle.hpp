#pragma once

#include <cstdint>
#include <deque>

#include "core/parts.hpp"

namespace sluice::core {

// How connections begin and end: deadlines, the close handshake (RFC 6455 §7), and when a row may be used again.
class Lifecycle {
 public:
  explicit Lifecycle(Parts& parts) : parts_(parts) {}

  StreamId accept();
  // The upgrade is done and announced.
  void opened(uint32_t slot);

  // Starts the close handshake from our side; the control plane hears the peer's answer, or 1006 after the timeout.
  void close(uint32_t slot, uint16_t code, const char* reason, uint32_t length);
  // The peer's close frame: answered with the same code, then the stream ends.
  void peer_closed(uint32_t slot, uint16_t code, const uint8_t* reason, uint32_t length);
  // The peer broke a rule or a limit: it is told why and the control plane hears `code` at once.
  void fail(uint32_t slot, uint16_t code, const char* reason);
  // An HTTP answer was appended after which the connection ends.
  void end_after_flush(uint32_t slot);
  // No bytes will be taken or brought any more: ends the stream at once and tells the control plane `code`.
  void abort(uint32_t slot, uint16_t code);

  void peer_ended(uint32_t slot);
  // The driver has already given the stream up.
  void stream_lost(uint32_t slot);
  void drained(uint32_t slot);
  void release(uint32_t slot, hub::DeliverySink& sink);

  // Closes every open connection.
  void close_all(uint16_t code, const char* reason);

  // Ends what has overstayed a deadline; bounded work.
  void expire();

 private:
  struct Deadline {
    uint64_t due_us;
    uint32_t slot;
    uint32_t generation;
  };

  void tell_closed(uint32_t slot, uint16_t code, const uint8_t* reason, uint32_t length);
  void start_closing(uint32_t slot, bool discard);
  void close_stream(uint32_t slot, bool reset);
  void stream_gone(uint32_t slot);
  void add_deadline(std::deque<Deadline>& list, uint32_t slot, uint32_t delay_ms);
  bool take_expired(std::deque<Deadline>& list, uint32_t& slot);

  Parts& parts_;
  // Each list has one constant delay, so it is in order by itself; entries whose reason is gone are dropped when due.
  std::deque<Deadline> handshakes_;
  std::deque<Deadline> hellos_;
  std::deque<Deadline> closings_;
};

}  // namespace sluice::core
