#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>

#include "base/lazy_array.hpp"
#include "base/stream.hpp"
#include "kernel/factory.hpp"
#include "kernel/kernel_driver.hpp"
#include "kernel/stream_list.hpp"
#include "kernel/uring_buffers.hpp"
#include "kernel/uring_held.hpp"
#include "kernel/uring_ring.hpp"
#include "kernel/uring_sends.hpp"

namespace sluice {

// Kernel sockets by io_uring. Accepting and receiving are multishot: armed once, they bring completions until they are cancelled,
// receives into blocks that the kernel picks itself. All that a turn writes goes out with one system call, which also brings in
// what was received meanwhile.
class UringDriver final : public KernelDriver {
 public:
  struct Sizes {
    uint32_t submissions = 512;
    // The kernel takes this for the size of its table of requests too, in which a receive to be cancelled is looked up.
    uint32_t completions = 8192;
  };

  // Uses what `probe` has. Null with the reason in `error`.
  static std::unique_ptr<UringDriver> make(const KernelDriverOptions& options, const UringProbe& probe, const Sizes& sizes,
                                           std::string& error);
  ~UringDriver() override;

  const char* name() const noexcept override { return "uring"; }
  void stop_listening() override;
  uint32_t poll(int64_t timeout_us, uint32_t budget) override;
  int wait_fd() const noexcept override { return event_fd_; }
  void watch_doorbell(int fd) override;
  void write(StreamId id, const IoSlice* slices, uint32_t count) override;
  void flush() override;
  void notify_writable(StreamId id) override;
  void pause_reading(StreamId id) override;
  void resume_reading(StreamId id) override;
  void shutdown_send(StreamId id) override;
  void close(StreamId id, bool reset) override;
  bool peer_address(StreamId id, PeerAddress& out) const override;
  bool inspect(StreamId id, StreamInfo& out) const override;
  uint64_t memory_fixed() const noexcept override;
  uint64_t memory_per_stream() const noexcept override { return sizeof(Stream); }

 private:
  struct Stream {
    int32_t fd;
    uint32_t generation;  // of the id: a completion of an earlier stream must not reach this one
    StreamId next;        // in ready_ or starved_
    uint32_t held;        // in held_; 0: nothing
    uint16_t flags;
    uint16_t error;       // with kBroken
  };
  static_assert(sizeof(Stream) == 20);

  enum Flag : uint16_t {
    kOpen = 1,
    kQueued = 2,         // in ready_ or starved_; outlives the stream, as the list entry does
    kArmed = 4,          // a multishot receive is under way
    kCancelling = 8,     // and was cancelled
    kPaused = 16,
    kEnd = 32,           // the peer's FIN came; on_end follows what is held
    kEnded = 64,         // on_end was called
    kBroken = 128,       // a send or a receive failed: on_error follows
    kWantWrite = 256,
    kWritePolled = 512,
    kErrorPolled = 1024,
    kWriting = 2048,     // a write waits for its submission
  };

  // First byte of a completion's user data; then 24 bits of the generation, then the id.
  enum class Op : uint8_t { kNone, kAccept, kReceive, kSend, kWritable, kError, kDoorbell, kTimer };
  static constexpr uint32_t kGenerationMask = 0xffffff;
  static constexpr uint64_t tag(Op op, uint32_t generation, uint32_t id) noexcept {
    return static_cast<uint64_t>(op) << 56 | static_cast<uint64_t>(generation & kGenerationMask) << 32 | id;
  }

  UringDriver(const KernelDriverOptions& options, const UringProbe& probe);
  bool open_ring(const Sizes& sizes, std::string& error);

  bool watch_listener() noexcept override;
  void unwatch_listener() noexcept override;
  void set_ticking(bool on) noexcept override;
  void open(StreamId id, int fd) noexcept override;
  bool starving() const noexcept override { return !starved_.empty(); }

  // uring_driver.cpp: the ring
  uring::Sqe& sqe() noexcept;
  void submit(uint32_t flags) noexcept;
  void unload() noexcept;
  bool completed() const noexcept { return !backlog_.empty() || ring_.ready() != 0; }
  void wait(int64_t timeout_us, bool must_not_wait) noexcept;
  void signal_leftover() noexcept;
  void quiet_wait_fd() noexcept;
  void start() noexcept;
  void poll_file(int fd, uint32_t events, uint64_t data, bool multishot) noexcept;
  void cancel(uint64_t data) noexcept;
  uint32_t serve_completions(uint32_t budget);
  uint32_t serve(const uring::Cqe& cqe);
  uint32_t on_accepted(const uring::Cqe& cqe);
  void on_timer();

  // uring_streams.cpp: streams
  void arm(StreamId id) noexcept;
  uint32_t on_received(const uring::Cqe& cqe);
  void deliver(StreamId id, const UringBuffers::Piece& piece, uint32_t length);
  void receive_over(StreamId id, int32_t result);
  uint32_t on_polled(const uring::Cqe& cqe, Op op);
  void queue(StreamId id) noexcept;
  uint32_t serve_ready(uint32_t budget);
  uint32_t serve_stream(StreamId id, uint32_t budget);
  void starve(StreamId id);
  void revive_starved() noexcept;
  void end(StreamId id);
  void fail(StreamId id, int error);
  void release(StreamId id, bool reset) noexcept;
  void watch_errors(StreamId id) noexcept;
  void note_sends() noexcept;
  void report_sends();

  Stream& open_stream(StreamId id) noexcept;
  // Null when the completion is an earlier stream's.
  Stream* stream_of(const uring::Cqe& cqe) noexcept;
  bool wants_reading(const Stream& stream) const noexcept { return (stream.flags & (kPaused | kEnd | kEnded | kBroken)) == 0; }

  const UringProbe probe_;
  UringRing ring_;
  UringBuffers buffers_;
  UringSends sends_;
  UringHeld held_;
  LazyArray<Stream> streams_;
  StreamList<Stream> ready_;    // held bytes, an end or an error that can be told now
  StreamList<Stream> starved_;  // to be armed when there is a block
  std::deque<uring::Cqe> backlog_;  // completions that had to leave the ring before their turn; older than those in it
  StreamId high_water_ = 0;
  uint32_t accept_serial_ = 0;
  uint32_t scanned_ = 0;        // completions in the ring that were looked through for sends
  int event_fd_ = -1;           // registered with the ring: with deferred work the ring's own file wakes nobody
  int doorbell_fd_ = -1;
  uring::Timespec tick_interval_{0, Episode::kTickMs * 1'000'000};
  bool started_ = false;
  bool in_poll_ = false;
  bool in_flush_ = false;
  bool signalled_ = false;      // event_fd_ was made readable by ourselves
  bool accept_armed_ = false;
  bool ticking_ = false;
  bool timer_armed_ = false;
  bool tick_due_ = false;
};

}  // namespace sluice
