#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/assert.hpp"
#include "kernel/epoll_driver.hpp"
#include "kernel/socket.hpp"

// The epoll driver's listener: accepting in batches, the file limit, and the tick that ends it.

namespace sluice {

bool EpollDriver::listen(const ListenOptions& options, std::string& error) {
  if (!acceptor_.listen(options, error)) return false;
  accept_paused_ = false;
  // Level-triggered: what a batch leaves behind is announced again.
  if (watch(acceptor_.fd(), EPOLLIN, kListenerTag)) return true;
  error = describe_error("watching the listener", errno);
  acceptor_.stop();
  return false;
}

void EpollDriver::stop_listening() {
  acceptor_.stop();
  accept_due_ = false;
  accept_paused_ = false;
}

uint32_t EpollDriver::accept_batch() {
  accept_due_ = false;
  for (uint32_t accepted = 0; accepted < kAcceptBatch; ++accepted) {
    // The sink may stop listening from within on_accept.
    if (!acceptor_.listening()) return accepted;
    ++counters_.system_calls;
    const int fd = acceptor_.accept();
    if (fd >= 0) {
      admit(fd);
      continue;
    }
    // accept4 takes a file before it looks at the backlog: EAGAIN means that there are files again.
    if (fd == -EAGAIN) {
      resume_accepting();
      return accepted;
    }
    if (is_file_limit(-fd)) {
      pause_accepting(-fd);
      return accepted;
    }
    // Anything else is the failure of the one connection that was taken off the backlog (accept(2), "Error handling").
  }
  resume_accepting();
  return kAcceptBatch;
}

void EpollDriver::admit(int fd) {
  const StreamId id = sink_.on_accept();
  if (id == kNoStream) {
    ++counters_.refused;
    close_socket(fd, true);
    return;
  }
  ++counters_.accepted;
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

// Level-triggered and out of files, the listener would end every wait at once: it leaves the set until a stream closes or a
// tick finds a file. Clients that come meanwhile are reset (see Acceptor), a bounded number per attempt.
void EpollDriver::pause_accepting(int error) {
  if (!accept_paused_) {
    accept_paused_ = true;
    ++counters_.system_calls;
    epoll_ctl(epoll_fd_, EPOLL_CTL_DEL, acceptor_.fd(), nullptr);
  }
  counters_.refused += acceptor_.refuse_waiting(kAcceptBatch);
  set_ticking(true);
  if (!file_limit_.hit()) return;
  ++counters_.accept_paused;
  sink_.on_notice(NoticeKind::kFileLimit, error);
}

void EpollDriver::resume_accepting() noexcept {
  if (!accept_paused_ || !acceptor_.listening()) return;
  accept_paused_ = !watch(acceptor_.fd(), EPOLLIN, kListenerTag);
}

void EpollDriver::set_ticking(bool on) noexcept {
  if (ticking_ == on) return;
  ticking_ = on;
  const long interval = on ? Episode::kTickMs * 1'000'000L : 0;
  const itimerspec spec{{0, interval}, {0, interval}};
  ++counters_.system_calls;
  timerfd_settime(timer_fd_, 0, &spec, nullptr);
}

void EpollDriver::tick() {
  tick_due_ = false;
  if (!starved_.empty()) exhausted_.hit();
  exhausted_.tick();
  if (accept_paused_) {
    accept_due_ = true;
    file_limit_.hit();
  }
  if (file_limit_.tick()) sink_.on_notice(NoticeKind::kFileLimitOver, 0);
  if (!file_limit_.active() && !exhausted_.active()) set_ticking(false);
}

}  // namespace sluice
