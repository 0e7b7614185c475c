#include "kernel/kernel_driver.hpp"

#include <cerrno>

#include "base/assert.hpp"
#include "kernel/socket.hpp"

namespace sluice {

bool KernelDriver::listen(const ListenOptions& options, std::string& error) {
  if (!acceptor_.listen(options, error)) return false;
  accept_paused_ = false;
  if (watch_listener()) return true;
  error = describe_error("watching the listener", errno);
  acceptor_.stop();
  return false;
}

void KernelDriver::stop_listening() {
  if (!acceptor_.listening()) return;
  if (!accept_paused_) unwatch_listener();
  acceptor_.stop();
  accept_due_ = false;
  accept_paused_ = false;
}

uint32_t KernelDriver::accept_batch() {
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
    if (!survive_accept_error(-fd)) return accepted;
  }
  resume_accepting();
  return kAcceptBatch;
}

void KernelDriver::admit(int fd) {
  const StreamId id = sink_.on_accept();
  if (id == kNoStream) {
    ++counters_.refused;
    close_socket(fd, true);
    return;
  }
  ++counters_.accepted;
  open(id, fd);
}

// A listener that cannot be accepted from would end every wait at once. It is not watched until a stream closes or a tick
// finds that accepting works. Clients that come meanwhile are reset (see Acceptor), a bounded number per attempt.
bool KernelDriver::survive_accept_error(int error) {
  const bool out_of_files = is_file_limit(error);
  if (!out_of_files && error != EBADF && error != EINVAL && error != ENOTSOCK) {
    // The failure of the one connection that was taken off the backlog (accept(2), "Error handling").
    return true;
  }
  if (!accept_paused_) unwatch_listener();
  accept_paused_ = true;
  set_ticking(true);
  if (!out_of_files) {
    if (listen_error_.hit()) sink_.on_notice(NoticeKind::kListenError, error);
    return false;
  }
  counters_.refused += acceptor_.refuse_waiting(kAcceptBatch);
  if (file_limit_.hit()) {
    ++counters_.accept_paused;
    sink_.on_notice(NoticeKind::kFileLimit, error);
  }
  return false;
}

void KernelDriver::resume_accepting() noexcept {
  if (accept_paused_ && acceptor_.listening()) accept_paused_ = !watch_listener();
}

void KernelDriver::note_exhausted() {
  ++counters_.receive_exhausted;
  set_ticking(true);
  if (exhausted_.hit()) sink_.on_notice(NoticeKind::kReceiveExhausted, ENOBUFS);
}

void KernelDriver::tick() {
  if (starving()) exhausted_.hit();
  exhausted_.tick();
  listen_error_.tick();
  if (accept_paused_) {
    accept_due_ = true;
    if (file_limit_.active()) file_limit_.hit();
  }
  if (file_limit_.tick()) sink_.on_notice(NoticeKind::kFileLimitOver, 0);
  if (!file_limit_.active() && !exhausted_.active() && !listen_error_.active() && !accept_paused_) set_ticking(false);
}

}  // namespace sluice
