#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "base/block_pool.hpp"
#include "base/stream_info.hpp"

// The byte-stream interface that stands between what carries connections (kernel sockets in `kernel`, our own stack in
// `tcp`) and what speaks WebSocket on them (`core`). One driver serves one core; all calls come from that core's thread.

namespace sluice {

// Index of a connection in its core's table. The core gives it in on_accept and takes it back after close(); a driver
// keeps its own per-stream state in an array under the same index.
using StreamId = uint32_t;
inline constexpr StreamId kNoStream = UINT32_MAX;

struct PeerAddress {
  uint8_t ip[16];   // network order; IPv4 uses the first four bytes
  uint16_t port;    // host order
  uint8_t family;   // 4 or 6
};

// What stands in front of an answer's bytes (StreamDriver::answer): the first `bytes` of the word, as they lie in memory.
struct AnswerHead {
  uint32_t word;
  uint32_t bytes;  // 0, 2 or 4
};

struct IoSlice {
  const uint8_t* data;
  uint32_t length;
  uint32_t shared = 0;  // what share() called these bytes; 0: nobody else's
};

enum class NoticeKind : uint8_t {
  kFileLimit,        // accept stopped: the process or the system is out of files
  kFileLimitOver,    // accept goes on
  kReceiveExhausted, // no receive block is free: reading stopped until one is
  kListenError,
};

// What a driver tells its core. Calls are made only from within poll(), flush() and write().
class StreamSink {
 public:
  virtual ~StreamSink() = default;

  // A connection was established. Returns the id to use for it, or kNoStream to refuse: the driver then resets it.
  virtual StreamId on_accept() = 0;

  // Bytes arrived, in order, in a block of the core's BlockPool. The sink may write into them (unmasking in place) and may
  // hold them by a reference on the block; the driver holds its own during the call. The sink may call any driver
  // function from here, close(id) included.
  virtual void on_data(StreamId id, uint8_t* data, uint32_t length) = 0;

  // The peer sent FIN: no more data will come. Writing still works.
  virtual void on_end(StreamId id) = 0;

  // The result of one write(): `accepted` bytes, in order, were taken (0 to the total: the rest is the sink's to keep
  // and to offer again). Called from write() or at the latest from flush().
  virtual void on_written(StreamId id, uint32_t accepted, uint32_t offered) = 0;

  // The stream that notify_writable() was called for can take bytes again. Once per call.
  virtual void on_writable(StreamId id) = 0;

  // The connection broke (reset, timeout; `error` is an errno). The driver has given up its state; close() is not called.
  virtual void on_error(StreamId id, int error) = 0;

  // Something the operator should know once; the driver itself limits the rate.
  virtual void on_notice(NoticeKind kind, int error) = 0;
};

struct ListenOptions {
  std::string address;      // numeric IPv4 or IPv6
  uint16_t port = 0;        // 0: the system chooses; see bound_port()
  int backlog = 4096;
  bool reuse_port = false;  // one listener per core
};

// Monotonic totals, written by the driver, read by `core` when it publishes its counters.
struct DriverCounters {
  uint64_t accepted = 0;
  uint64_t refused = 0;            // on_accept said no
  uint64_t accept_paused = 0;      // times the file limit stopped accepting
  uint64_t bytes_received = 0;
  uint64_t bytes_sent = 0;
  uint64_t receives = 0;           // receive operations that brought bytes
  uint64_t sends = 0;              // send operations
  uint64_t sends_short = 0;        // of these, those that took less than offered
  uint64_t system_calls = 0;
  uint64_t receive_exhausted = 0;  // times no block was free
};

class StreamDriver {
 public:
  virtual ~StreamDriver() = default;

  virtual const char* name() const noexcept = 0;

  // Starts to listen. On failure returns false and says in `error` what to do about it.
  virtual bool listen(const ListenOptions& options, std::string& error) = 0;
  virtual uint16_t bound_port() const noexcept = 0;
  // Closes the listener; established streams live on.
  virtual void stop_listening() = 0;

  // Waits at most timeout_us for something (0: does not wait; negative: until something happens or the doorbell rings) and
  // gives the sink what is ready: at most `budget` receives. Returns how many things it handled; the doorbell is none.
  virtual uint32_t poll(int64_t timeout_us, uint32_t budget) = 0;

  // A file that is readable while poll(0) would find something: lets another event loop host the core.
  virtual int wait_fd() const noexcept = 0;

  // An eventfd that ends a waiting poll(); the driver resets it. Set once, before the first poll.
  virtual void watch_doorbell(int fd) = 0;

  // Offers bytes to the stream, at most kMaxSlices. They stay valid until on_written was called for them, and the sink has at most one
  // write() per stream outstanding.
  static constexpr uint32_t kMaxSlices = 64;
  virtual void write(StreamId id, const IoSlice* slices, uint32_t count) = 0;
  // The same for the last bytes of a stream: where all are accepted shutdown_send() or close() follows, and the FIN may be on its way.
  virtual void write_last(StreamId id, const IoSlice* slices, uint32_t count) { write(id, slices, count); }
  // To those of the streams, 32 at most, whose bits `which` has, by their places: sends all of the slice at once where nothing of the
  // stream's waits to be sent or acknowledged, and no on_written() follows. Returns their bits. For the others nothing was done, and it is
  // write()'s. The caller has nothing outstanding for the streams.
  virtual uint32_t write_at_once(std::span<const StreamId> ids, uint32_t which, const IoSlice& slice) {
    static_cast<void>(ids);
    static_cast<void>(which);
    static_cast<void>(slice);
    return 0;
  }
  // The same for one stream's short message, an answer most often: `length` bytes at `data` behind a head, answers_most() together at
  // most. They are not referred to afterwards. False where it is write()'s.
  virtual bool answer(StreamId id, AnswerHead head, const uint8_t* data, uint32_t length) {
    static_cast<void>(id);
    static_cast<void>(head);
    static_cast<void>(data);
    static_cast<void>(length);
    return false;
  }
  // 0: none is.
  virtual uint32_t answers_most() const noexcept { return 0; }
  // Fetches what write() will look at, some streams before (`near` false) and again when most of that way is gone (`near` true).
  virtual void prefetch(std::span<const StreamId> ids, bool near) const noexcept {
    static_cast<void>(ids);
    static_cast<void>(near);
  }
  // Bytes that many streams will be given, each by a slice that bears the name which is returned; they stay as they are until the
  // flush() behind unshare(). 0 where the driver gains nothing by knowing.
  virtual uint32_t share(const uint8_t* data, uint32_t length) {
    static_cast<void>(data);
    static_cast<void>(length);
    return 0;
  }
  virtual void unshare(uint32_t shared) { static_cast<void>(shared); }
  // Since anything came from the peer, acknowledgements included; UINT32_MAX where the driver does not know.
  virtual uint32_t quiet_ms(StreamId id) const noexcept {
    static_cast<void>(id);
    return UINT32_MAX;
  }
  // More is queued below than leaves at once: what can wait should.
  virtual bool congested() const noexcept { return false; }
  // Hands everything that write() has queued to the system, in one call where it can.
  virtual void flush() = 0;
  virtual void notify_writable(StreamId id) = 0;

  // Flow control towards the peer: while paused nothing is delivered and its TCP window fills.
  virtual void pause_reading(StreamId id) = 0;
  virtual void resume_reading(StreamId id) = 0;

  // Sends FIN after what was accepted; reading goes on.
  virtual void shutdown_send(StreamId id) = 0;
  // Gives the stream up at once: by FIN, or by RST where `reset`. No call about `id` comes after. The id may be used again
  // at once, also from within this call's caller.
  virtual void close(StreamId id, bool reset) = 0;

  // False when the stream is gone.
  virtual bool peer_address(StreamId id, PeerAddress& out) const = 0;
  // On an operator's request. False when the stream is gone or the driver knows nothing.
  virtual bool inspect(StreamId, StreamInfo&) const { return false; }

  virtual const DriverCounters& counters() const noexcept = 0;
  // Bytes of process memory that the driver holds: fixed, and for each open stream.
  virtual uint64_t memory_fixed() const noexcept = 0;
  virtual uint64_t memory_per_stream() const noexcept = 0;
};

}  // namespace sluice
