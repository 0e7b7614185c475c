#pragma once

#include <sys/epoll.h>

#include <cstdint>
#include <memory>
#include <string>

#include "base/stream.hpp"
#include "kernel/factory.hpp"
#include "kernel/kernel_driver.hpp"
#include "base/lazy_array.hpp"
#include "base/receive_block.hpp"
#include "kernel/stream_list.hpp"

namespace sluice {

// Kernel sockets by epoll, edge-triggered: a stream is entered once and is changed again only for notify_writable(), so that
// pausing and resuming cost no system call, and an idle stream is not looked at twice per event as level-triggering does.
// What an edge announced is kept in the stream's flags until it has been served.
class EpollDriver final : public KernelDriver {
 public:
  // Null with the reason in `error`.
  static std::unique_ptr<EpollDriver> make(const KernelDriverOptions& options, std::string& error);
  ~EpollDriver() override;

  const char* name() const noexcept override { return "epoll"; }
  uint32_t poll(int64_t timeout_us, uint32_t budget) override;
  int wait_fd() const noexcept override { return epoll_fd_; }
  void watch_doorbell(int fd) override;
  void write(StreamId id, const IoSlice* slices, uint32_t count) override;
  void flush() override {}
  void notify_writable(StreamId id) override;
  void pause_reading(StreamId id) override;
  void resume_reading(StreamId id) override;
  void shutdown_send(StreamId id) override;
  void close(StreamId id, bool reset) override;
  bool peer_address(StreamId id, PeerAddress& out) const override;
  bool inspect(StreamId id, StreamInfo& out) const override;
  uint64_t memory_fixed() const noexcept override { return sizeof *this; }
  uint64_t memory_per_stream() const noexcept override { return sizeof(Stream); }

 private:
  struct Stream {
    int32_t fd;
    uint32_t generation;  // of the id: an event of an earlier stream must not reach this one
    StreamId next;        // in ready_ or starved_
    uint16_t flags;
    uint16_t error;       // with kBroken
  };
  static_assert(sizeof(Stream) == 16);

  enum Flag : uint16_t {
    kOpen = 1,
    kQueued = 2,     // in ready_ or starved_; outlives the stream, as the list entry does
    kReadable = 4,   // an edge said so and no receive has come up short since
    kWritable = 8,
    kFailed = 16,    // EPOLLERR
    kHangup = 32,    // FIN is behind the last byte: a short receive is not the end of what there is to read
    kPaused = 64,
    kEnded = 128,    // on_end was called
    kWantWrite = 256,
    kWantsOut = 512, // EPOLLOUT is in the interest set
    kBroken = 1024,  // a send failed: on_error follows in the next poll
  };

  // What an event belongs to: generation and id of a stream, or one of these.
  static constexpr uint64_t kListenerTag = UINT64_MAX;
  static constexpr uint64_t kDoorbellTag = UINT64_MAX - 1;
  static constexpr uint64_t kLeftoverTag = UINT64_MAX - 2;
  static constexpr uint64_t kTimerTag = UINT64_MAX - 3;
  static constexpr uint64_t kLowestTag = kTimerTag;

  static constexpr uint32_t kEventBatch = 256;

  explicit EpollDriver(const KernelDriverOptions& options);
  bool open_files(std::string& error);

  bool watch_listener() noexcept override;
  void unwatch_listener() noexcept override;
  void set_ticking(bool on) noexcept override;
  void open(StreamId id, int fd) noexcept override;
  bool starving() const noexcept override { return !starved_.empty(); }

  bool watch(int fd, uint32_t events, uint64_t data) noexcept;
  int wait(int64_t timeout_us) noexcept;
  void note_event(const epoll_event& event) noexcept;
  void note_stream_event(const epoll_event& event) noexcept;

  void queue(StreamId id) noexcept;
  void signal_leftover() noexcept;
  uint32_t serve_ready(uint32_t budget);
  uint32_t serve(StreamId id);
  bool serve_failed(StreamId id);
  uint32_t receive(StreamId id);
  void starve(StreamId id);
  void fail(StreamId id, int error);
  void release(StreamId id, bool reset) noexcept;

  Stream& open_stream(StreamId id) noexcept;

  LazyArray<Stream> streams_;
  ReceiveBlock block_;
  StreamList<Stream> ready_;
  StreamList<Stream> starved_;  // readable, but no block was free
  StreamId high_water_ = 0;
  uint32_t receives_left_ = 0;
  int epoll_fd_ = -1;
  int leftover_fd_ = -1;  // an eventfd in the set: makes wait_fd() readable for what ready_ still holds
  int timer_fd_ = -1;
  int doorbell_fd_ = -1;
  bool in_poll_ = false;
  bool leftover_signalled_ = false;
  bool ticking_ = false;
  bool tick_due_ = false;
  epoll_event events_[kEventBatch];
};

}  // namespace sluice
