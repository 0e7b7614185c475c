#include "kernel/epoll_driver.hpp"

#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/assert.hpp"
#include "kernel/socket.hpp"
#include "kernel/socket_info.hpp"

namespace sluice {

namespace {

void drain(int fd) noexcept {
  uint64_t value;
  [[maybe_unused]] const ssize_t got = ::read(fd, &value, sizeof value);
}

}  // namespace

std::unique_ptr<EpollDriver> EpollDriver::make(const KernelDriverOptions& options, std::string& error) {
  std::unique_ptr<EpollDriver> driver(new EpollDriver(options));
  if (!driver->open_files(error)) return nullptr;
  return driver;
}

EpollDriver::EpollDriver(const KernelDriverOptions& options)
    : KernelDriver(options), streams_(options.capacity), block_(*options.pool) {}

EpollDriver::~EpollDriver() {
  for (StreamId id = 0; id < high_water_; ++id) {
    if (streams_[id].flags & kOpen) ::close(streams_[id].fd);
  }
  for (const int fd : {timer_fd_, leftover_fd_, epoll_fd_}) {
    if (fd >= 0) ::close(fd);
  }
}

bool EpollDriver::open_files(std::string& error) {
  epoll_fd_ = epoll_create1(EPOLL_CLOEXEC);
  leftover_fd_ = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  timer_fd_ = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
  const bool opened = epoll_fd_ >= 0 && leftover_fd_ >= 0 && timer_fd_ >= 0;
  if (opened && watch(leftover_fd_, EPOLLIN, kLeftoverTag) && watch(timer_fd_, EPOLLIN, kTimerTag)) return true;
  error = describe_error("opening the files of the epoll driver", errno);
  return false;
}

bool EpollDriver::watch(int fd, uint32_t events, uint64_t data) noexcept {
  epoll_event event{};
  event.events = events;
  event.data.u64 = data;
  ++counters_.system_calls;
  return epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, fd, &event) == 0;
}

void EpollDriver::watch_doorbell(int fd) {
  SLUICE_ASSERT(doorbell_fd_ < 0);
  doorbell_fd_ = fd;
  const bool added = watch(fd, EPOLLIN, kDoorbellTag);
  SLUICE_ASSERT(added);
}

EpollDriver::Stream& EpollDriver::open_stream(StreamId id) noexcept {
  Stream& stream = streams_[id];
  SLUICE_ASSERT(stream.flags & kOpen);
  return stream;
}

bool EpollDriver::watch_listener() noexcept {
  // Level-triggered: what a batch leaves behind is announced again.
  return watch(acceptor_.fd(), EPOLLIN, kListenerTag);
}

void EpollDriver::unwatch_listener() noexcept {
  ++counters_.system_calls;
  epoll_ctl(epoll_fd_, EPOLL_CTL_DEL, acceptor_.fd(), nullptr);
}

void EpollDriver::set_ticking(bool on) noexcept {
  if (ticking_ == on) return;
  ticking_ = on;
  const long interval = on ? Episode::kTickMs * 1'000'000L : 0;
  const itimerspec spec{{0, interval}, {0, interval}};
  ++counters_.system_calls;
  timerfd_settime(timer_fd_, 0, &spec, nullptr);
}

void EpollDriver::open(StreamId id, int fd) noexcept {
  Stream& stream = streams_[id];
  SLUICE_ASSERT(!(stream.flags & kOpen));
  stream.fd = fd;
  stream.flags |= kOpen;
  high_water_ = std::max(high_water_, id + 1);
  if (watch(fd, EPOLLIN | EPOLLRDHUP | EPOLLET, static_cast<uint64_t>(stream.generation) << 32 | id)) return;
  stream.error = static_cast<uint16_t>(errno);
  stream.flags |= kBroken;
  queue(id);
}

// ---- waiting ----

int EpollDriver::wait(int64_t timeout_us) noexcept {
  ++counters_.system_calls;
  if (timeout_us <= 0) return epoll_wait(epoll_fd_, events_, kEventBatch, timeout_us < 0 ? -1 : 0);
  // By number: the C library's wrapper is younger than some systems that the addon is to load on.
  const timespec timeout{timeout_us / 1'000'000, (timeout_us % 1'000'000) * 1000};
  const long got = syscall(SYS_epoll_pwait2, epoll_fd_, events_, kEventBatch, &timeout, nullptr, 0);
  if (got >= 0 || errno != ENOSYS) return static_cast<int>(got);
  return epoll_wait(epoll_fd_, events_, kEventBatch, static_cast<int>((timeout_us + 999) / 1000));
}

uint32_t EpollDriver::poll(int64_t timeout_us, uint32_t budget) {
  SLUICE_ASSERT(!in_poll_);
  in_poll_ = true;
  if (!starved_.empty() && pool_.free_count() > 0) ready_.splice(streams_, starved_);
  const bool must_not_wait = !ready_.empty() || (accept_due_ && acceptor_.listening());
  const int count = wait(must_not_wait ? 0 : timeout_us);
  // All events are noted before the first callback, so none of them can be stale when it is served.
  for (int i = 0; i < count; ++i) note_event(events_[i]);
  uint32_t handled = serve_ready(budget);
  if (tick_due_) {
    tick_due_ = false;
    tick();
  }
  if (accept_due_) handled += accept_batch();
  in_poll_ = false;
  signal_leftover();
  return handled;
}

void EpollDriver::note_event(const epoll_event& event) noexcept {
  const uint64_t tag = event.data.u64;
  if (__builtin_expect(tag < kLowestTag, 1)) return note_stream_event(event);
  if (tag == kListenerTag) {
    accept_due_ = true;
  } else if (tag == kDoorbellTag) {
    drain(doorbell_fd_);
  } else if (tag == kTimerTag) {
    drain(timer_fd_);
    tick_due_ = true;
  }
}

void EpollDriver::note_stream_event(const epoll_event& event) noexcept {
  const auto id = static_cast<StreamId>(event.data.u64);
  Stream& stream = streams_[id];
  // A child process that was forked and has not yet called exec keeps a closed socket alive, and with it its events.
  if (!(stream.flags & kOpen) || stream.generation != event.data.u64 >> 32) return;
  uint16_t flags = 0;
  if (event.events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP)) flags |= kReadable;
  if (event.events & (EPOLLRDHUP | EPOLLHUP)) flags |= kHangup;
  if (event.events & EPOLLERR) flags |= kFailed | kReadable | kHangup;
  if (event.events & EPOLLOUT) flags |= kWritable;
  stream.flags |= flags;
  queue(id);
}

void EpollDriver::queue(StreamId id) noexcept {
  Stream& stream = streams_[id];
  if (stream.flags & kQueued) return;
  stream.flags |= kQueued;
  ready_.push(streams_, id);
}

// Another loop that hosts this driver looks at wait_fd() only: it has to be readable while ready_ is not empty.
void EpollDriver::signal_leftover() noexcept {
  const bool wanted = !ready_.empty();
  if (in_poll_ || wanted == leftover_signalled_) return;
  leftover_signalled_ = wanted;
  ++counters_.system_calls;
  if (!wanted) return drain(leftover_fd_);
  const uint64_t one = 1;
  const ssize_t put = ::write(leftover_fd_, &one, sizeof one);
  SLUICE_ASSERT(put == sizeof one);
}

// ---- serving ----

uint32_t EpollDriver::serve_ready(uint32_t budget) {
  uint32_t handled = 0;
  receives_left_ = budget;
  while (!ready_.empty() && receives_left_ > 0) {
    const StreamId id = ready_.pop(streams_);
    streams_[id].flags &= static_cast<uint16_t>(~kQueued);
    handled += serve(id);
  }
  return handled;
}

uint32_t EpollDriver::serve(StreamId id) {
  Stream& stream = streams_[id];
  if (!(stream.flags & kOpen)) return 0;
  if (__builtin_expect((stream.flags & (kBroken | kFailed)) != 0, 0) && serve_failed(id)) return 1;
  uint32_t handled = 0;
  if (stream.flags & kWritable) {
    const bool wanted = (stream.flags & kWantWrite) != 0;
    stream.flags &= static_cast<uint16_t>(~(kWritable | kWantWrite));
    if (wanted) {
      const uint32_t generation = stream.generation;
      sink_.on_writable(id);
      if (stream.generation != generation) return 1;
      handled = 1;
    }
  }
  const bool readable = (stream.flags & (kReadable | kPaused | kEnded)) == kReadable;
  return handled + (readable ? receive(id) : 0);
}

// True when the stream is gone. What a reset connection still holds is read first, unless nobody wants to read.
bool EpollDriver::serve_failed(StreamId id) {
  Stream& stream = streams_[id];
  if (stream.flags & kBroken) {
    fail(id, stream.error);
    return true;
  }
  stream.flags &= static_cast<uint16_t>(~kFailed);
  if (!(stream.flags & (kPaused | kEnded))) return false;
  int error = 0;
  socklen_t length = sizeof error;
  ++counters_.system_calls;
  if (getsockopt(stream.fd, SOL_SOCKET, SO_ERROR, &error, &length) != 0 || error == 0) return false;
  fail(id, error);
  return true;
}

uint32_t EpollDriver::receive(StreamId id) {
  Stream& stream = streams_[id];
  if (!block_.prepare()) {
    starve(id);
    return 0;
  }
  --receives_left_;
  ++counters_.system_calls;
  uint8_t* const data = block_.data();
  const uint32_t space = block_.space();
  const ssize_t got = ::recv(stream.fd, data, space, MSG_DONTWAIT);
  if (__builtin_expect(got > 0, 1)) {
    ++counters_.receives;
    counters_.bytes_received += static_cast<uint64_t>(got);
    // A receive that came up short has emptied the socket: what comes later makes a new edge.
    if (static_cast<uint32_t>(got) < space && !(stream.flags & kHangup)) {
      stream.flags &= static_cast<uint16_t>(~kReadable);
    } else {
      queue(id);
    }
    block_.advance(static_cast<uint32_t>(got));
    sink_.on_data(id, data, static_cast<uint32_t>(got));
    block_.rewind_if_unshared();
    return 1;
  }
  if (got == 0) {
    stream.flags |= kEnded;
    sink_.on_end(id);
    return 1;
  }
  if (errno == EAGAIN || errno == EINTR) {
    stream.flags &= static_cast<uint16_t>(~kReadable);
    return 0;
  }
  fail(id, errno);
  return 1;
}

void EpollDriver::starve(StreamId id) {
  streams_[id].flags |= kQueued;
  const bool first = starved_.empty();
  starved_.push(streams_, id);
  if (first) note_exhausted();
}

void EpollDriver::release(StreamId id, bool reset) noexcept {
  Stream& stream = open_stream(id);
  close_socket(stream.fd, reset);
  ++counters_.system_calls;
  ++stream.generation;
  stream.flags &= kQueued;
  stream.fd = -1;
  note_file_freed();
}

void EpollDriver::fail(StreamId id, int error) {
  release(id, false);
  sink_.on_error(id, error);
}

// ---- what the core asks for ----

void EpollDriver::write(StreamId id, const IoSlice* slices, uint32_t count) {
  SLUICE_ASSERT(count > 0 && count <= kMaxSlices);
  Stream& stream = open_stream(id);
  uint32_t offered = slices[0].length;
  ssize_t sent;
  if (count == 1) {
    sent = ::send(stream.fd, slices[0].data, offered, MSG_NOSIGNAL | MSG_DONTWAIT);
  } else {
    iovec vector[kMaxSlices];
    offered = 0;
    for (uint32_t i = 0; i < count; ++i) {
      vector[i] = {const_cast<uint8_t*>(slices[i].data), slices[i].length};
      offered += slices[i].length;
    }
    msghdr message{};
    message.msg_iov = vector;
    message.msg_iovlen = count;
    sent = ::sendmsg(stream.fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
  }
  const int error = sent < 0 ? errno : 0;
  const uint32_t accepted = sent > 0 ? static_cast<uint32_t>(sent) : 0;
  ++counters_.system_calls;
  ++counters_.sends;
  counters_.bytes_sent += accepted;
  if (accepted < offered) ++counters_.sends_short;
  // The sink may be in the middle of anything when it writes: that the stream broke is told from the next poll().
  if (error != 0 && error != EAGAIN && error != EINTR && error != ENOBUFS && error != ENOMEM) {
    stream.flags |= kBroken;
    stream.error = static_cast<uint16_t>(error);
    queue(id);
    signal_leftover();
  }
  sink_.on_written(id, accepted, offered);
}

void EpollDriver::notify_writable(StreamId id) {
  Stream& stream = open_stream(id);
  stream.flags |= kWantWrite | kWantsOut;
  // Entering the interest anew makes the kernel look at once: an edge that passed before this call is not lost.
  epoll_event event{};
  event.events = EPOLLIN | EPOLLRDHUP | EPOLLOUT | EPOLLET;
  event.data.u64 = static_cast<uint64_t>(stream.generation) << 32 | id;
  ++counters_.system_calls;
  epoll_ctl(epoll_fd_, EPOLL_CTL_MOD, stream.fd, &event);
}

void EpollDriver::pause_reading(StreamId id) { open_stream(id).flags |= kPaused; }

void EpollDriver::resume_reading(StreamId id) {
  Stream& stream = open_stream(id);
  if (!(stream.flags & kPaused)) return;
  stream.flags &= static_cast<uint16_t>(~kPaused);
  if (!(stream.flags & kReadable)) return;
  queue(id);
  signal_leftover();
}

void EpollDriver::shutdown_send(StreamId id) {
  ++counters_.system_calls;
  ::shutdown(open_stream(id).fd, SHUT_WR);
}

void EpollDriver::close(StreamId id, bool reset) { release(id, reset); }

bool EpollDriver::peer_address(StreamId id, PeerAddress& out) const {
  const Stream& stream = streams_[id];
  return (stream.flags & kOpen) && peer_of(stream.fd, out);
}

bool EpollDriver::inspect(StreamId id, StreamInfo& out) const {
  const Stream& stream = streams_[id];
  return (stream.flags & kOpen) && inspect_socket(stream.fd, out);
}

}  // namespace sluice
