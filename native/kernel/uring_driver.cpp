#include "kernel/uring_driver.hpp"

#include <poll.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/assert.hpp"
#include "kernel/socket.hpp"

// The ring: what goes in, what comes out, and how to wait for it.

namespace sluice {

using namespace uring;

namespace {

void drain(int fd) noexcept {
  uint64_t value;
  [[maybe_unused]] const ssize_t got = ::read(fd, &value, sizeof value);
}

}  // namespace

std::unique_ptr<UringDriver> UringDriver::make(const KernelDriverOptions& options, const UringProbe& probe, const Sizes& sizes,
                                               std::string& error) {
  std::unique_ptr<UringDriver> driver(new UringDriver(options, probe));
  if (!driver->open_ring(sizes, error)) return nullptr;
  return driver;
}

UringDriver::UringDriver(const KernelDriverOptions& options, const UringProbe& probe)
    : KernelDriver(options), probe_(probe), buffers_(pool_, probe.incremental_buffers), streams_(options.capacity) {}

UringDriver::~UringDriver() {
  for (StreamId id = 0; id < high_water_; ++id) {
    Stream& stream = streams_[id];
    if (!(stream.flags & kOpen)) continue;
    // The ring's requests keep the sockets alive until the kernel has taken the ring apart: the peers hear of the end now.
    ::shutdown(stream.fd, SHUT_RDWR);
    ::close(stream.fd);
  }
  if (event_fd_ >= 0) ::close(event_fd_);
}

bool UringDriver::open_ring(const Sizes& sizes, std::string& error) {
  // The thread that polls first is the one that submits; it is not known yet.
  uint32_t flags = kSetupRingDisabled;
  if (probe_.single_issuer) flags |= kSetupSingleIssuer;
  if (probe_.defer_taskrun) {
    flags |= kSetupDeferTaskrun | kSetupTaskrunFlag;
  } else if (probe_.coop_taskrun) {
    flags |= kSetupCoopTaskrun | kSetupTaskrunFlag;
  }
  int result = ring_.open(sizes.submissions, sizes.completions, flags);
  if (result == 0) result = buffers_.open(ring_);
  if (result == 0) {
    event_fd_ = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    result = event_fd_ < 0 ? -errno : ring_.register_with(kRegisterEventfd, &event_fd_, 1);
  }
  if (result < 0) error = describe_error("opening an io_uring", -result);
  return result == 0;
}

uint64_t UringDriver::memory_fixed() const noexcept {
  return sizeof *this + ring_.memory() + buffers_.memory() + sends_.memory() + held_.memory();
}

// ---- going in ----

Sqe& UringDriver::sqe() noexcept {
  Sqe* entry = ring_.try_sqe();
  if (entry == nullptr) {
    submit(0);
    entry = ring_.try_sqe();
  }
  SLUICE_ASSERT(entry != nullptr);
  return *entry;
}

// Until the kernel has taken everything; completions that are brought forth stay where they are.
void UringDriver::submit(uint32_t flags) noexcept {
  constexpr uint32_t kPatience = 10'000;
  for (uint32_t attempt = 0;; ++attempt) {
    ++counters_.system_calls;
    const int took = ring_.enter(0, flags, nullptr);
    if (took >= 0 && ring_.queued() == 0) break;
    if (took >= 0 || took == -EINTR) continue;
    // EAGAIN: no memory for a request. EBUSY: completions overflow; those are kept by the kernel, entering for them makes room.
    SLUICE_ASSERT((took == -EAGAIN || took == -EBUSY) && attempt < kPatience);
    unload();
    flags |= kEnterGetEvents;
    sched_yield();
  }
  note_sends();
  // A send's completion may be among those that the full ring had no room for.
  while (sends_.count() != 0 && ring_.overflown()) {
    unload();
    ++counters_.system_calls;
    ring_.enter(0, kEnterGetEvents, nullptr);
    note_sends();
  }
}

void UringDriver::unload() noexcept {
  note_sends();
  const uint32_t ready = ring_.ready();
  for (uint32_t i = 0; i < ready; ++i) backlog_.push_back(ring_.peek(i));
  ring_.advance(ready);
  scanned_ = 0;
}

void UringDriver::poll_file(int fd, uint32_t events, uint64_t data, bool multishot) noexcept {
  Sqe& entry = sqe();
  entry.opcode = kOpPollAdd;
  entry.fd = fd;
  entry.length = multishot ? kPollMultishot : 0;
  entry.op_flags = events;
  entry.user_data = data;
}

void UringDriver::cancel(uint64_t data) noexcept {
  Sqe& entry = sqe();
  entry.opcode = kOpAsyncCancel;
  entry.fd = -1;
  entry.address = data;
  entry.user_data = tag(Op::kNone, 0, 0);
}

void UringDriver::watch_doorbell(int fd) {
  SLUICE_ASSERT(doorbell_fd_ < 0);
  doorbell_fd_ = fd;
  poll_file(fd, POLLIN, tag(Op::kDoorbell, 0, 0), true);
}

bool UringDriver::watch_listener() noexcept {
  SLUICE_ASSERT(!accept_armed_);
  accept_armed_ = true;
  Sqe& entry = sqe();
  entry.opcode = kOpAccept;
  entry.fd = acceptor_.fd();
  entry.ioprio = kAcceptMultishot;
  // Not SOCK_NONBLOCK: some kernels fail a request on such a socket where they would otherwise wait for data.
  entry.op_flags = SOCK_CLOEXEC;
  entry.user_data = tag(Op::kAccept, 0, ++accept_serial_);
  signal_leftover();
  return true;
}

void UringDriver::unwatch_listener() noexcept {
  if (!accept_armed_) return;
  accept_armed_ = false;
  cancel(tag(Op::kAccept, 0, accept_serial_));
}

void UringDriver::stop_listening() {
  // The accept that is under way holds the listener's file: without this it would go on after the close.
  if (acceptor_.listening()) ::shutdown(acceptor_.fd(), SHUT_RD);
  accept_armed_ = false;
  KernelDriver::stop_listening();
}

void UringDriver::set_ticking(bool on) noexcept {
  ticking_ = on;
  if (!on || timer_armed_) return;
  timer_armed_ = true;
  Sqe& entry = sqe();
  entry.opcode = kOpTimeout;
  entry.fd = -1;
  entry.address = reinterpret_cast<uint64_t>(&tick_interval_);
  entry.length = 1;
  entry.user_data = tag(Op::kTimer, 0, 0);
}

// ---- waiting ----

void UringDriver::start() noexcept {
  started_ = true;
  const int result = ring_.register_with(kRegisterEnableRings, nullptr, 0);
  SLUICE_ASSERT(result == 0);
}

void UringDriver::wait(int64_t timeout_us, bool must_not_wait) noexcept {
  if (must_not_wait || timeout_us == 0) {
    // Under load the completions are there already: the last flush() brought them.
    if (!completed() && (ring_.queued() != 0 || ring_.must_enter())) submit(kEnterGetEvents);
    return;
  }
  ++counters_.system_calls;
  const Timespec timeout{timeout_us / 1'000'000, (timeout_us % 1'000'000) * 1000};
  ring_.enter(1, kEnterGetEvents, timeout_us < 0 ? nullptr : &timeout);
  note_sends();
}

uint32_t UringDriver::poll(int64_t timeout_us, uint32_t budget) {
  SLUICE_ASSERT(!in_poll_);
  if (!started_) start();
  if (sends_.count() != 0) flush();
  in_poll_ = true;
  if (buffers_.refill()) revive_starved();
  const bool must_not_wait = !ready_.empty() || completed() || (accept_due_ && acceptor_.listening());
  wait(timeout_us, must_not_wait);
  uint32_t handled = serve_ready(budget);
  if (handled < budget) handled += serve_completions(budget - handled);
  buffers_.refill();
  if (tick_due_) on_timer();
  if (accept_due_) handled += accept_batch();
  in_poll_ = false;
  if (handled == 0 && timeout_us == 0) quiet_wait_fd();
  if (!ready_.empty() || completed()) signal_leftover();
  return handled;
}

// Another loop that hosts this driver looks at wait_fd() only. The kernel makes it readable for what comes by itself; this is
// for what was left, or queued by a call from outside of poll().
void UringDriver::signal_leftover() noexcept {
  if (in_poll_ || in_flush_ || signalled_) return;
  signalled_ = true;
  ++counters_.system_calls;
  const uint64_t one = 1;
  const ssize_t put = ::write(event_fd_, &one, sizeof one);
  SLUICE_ASSERT(put == sizeof one || errno == EAGAIN);
}

// Nothing was found, so the file must not be readable; what comes from here on makes it so again. What came just before is seen
// by the look behind it.
void UringDriver::quiet_wait_fd() noexcept {
  signalled_ = false;
  ++counters_.system_calls;
  drain(event_fd_);
  if (ring_.queued() != 0 || ring_.must_enter()) signal_leftover();
}

void UringDriver::flush() {
  SLUICE_ASSERT(!in_flush_);
  if (ring_.queued() == 0 && sends_.count() == 0) return;
  if (!started_) start();
  in_flush_ = true;
  do {
    submit(kEnterGetEvents);
    report_sends();
  } while (sends_.count() != 0);
  // What the sink asked for on hearing of its writes.
  if (ring_.queued() != 0) submit(0);
  in_flush_ = false;
}

// ---- coming out ----

uint32_t UringDriver::serve_completions(uint32_t budget) {
  uint32_t handled = 0;
  while (handled < budget && !backlog_.empty()) {
    const Cqe cqe = backlog_.front();
    backlog_.pop_front();
    handled += serve(cqe);
  }
  while (handled < budget && ring_.ready() != 0) {
    const Cqe cqe = ring_.peek(0);
    ring_.advance(1);
    if (scanned_ != 0) --scanned_;
    handled += serve(cqe);
  }
  return handled;
}

uint32_t UringDriver::serve(const Cqe& cqe) {
  const auto op = static_cast<Op>(cqe.user_data >> 56);
  switch (op) {
    case Op::kReceive:
      return on_received(cqe);
    case Op::kAccept:
      return on_accepted(cqe);
    case Op::kWritable:
    case Op::kError:
      return on_polled(cqe, op);
    case Op::kSend:
      sends_.complete(static_cast<uint32_t>(cqe.user_data), cqe.result);
      return 0;
    case Op::kDoorbell:
      drain(doorbell_fd_);
      if (!(cqe.flags & kCqeMore)) poll_file(doorbell_fd_, POLLIN, cqe.user_data, true);
      return 0;
    case Op::kTimer:
      timer_armed_ = false;
      tick_due_ = true;
      return 0;
    case Op::kNone:
      return 0;
  }
  return 0;
}

uint32_t UringDriver::on_accepted(const Cqe& cqe) {
  const bool current = accept_armed_ && static_cast<uint32_t>(cqe.user_data) == accept_serial_;
  if (current && !(cqe.flags & kCqeMore)) accept_armed_ = false;
  if (cqe.result >= 0) {
    if (acceptor_.listening()) {
      admit(cqe.result);
    } else {
      close_socket(cqe.result, true);
    }
  }
  // The sink may have stopped listening from within on_accept.
  if (!current || accept_armed_ || !acceptor_.listening() || accept_paused_) return 1;
  if (cqe.result >= 0 || cqe.result == -ECANCELED || survive_accept_error(-cqe.result)) watch_listener();
  return 1;
}

void UringDriver::on_timer() {
  tick_due_ = false;
  tick();
  if (ticking_) set_ticking(true);
}

}  // namespace sluice
