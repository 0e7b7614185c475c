#include "kernel/acceptor.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

#include "base/assert.hpp"
#include "kernel/socket.hpp"

namespace sluice {

Acceptor::Acceptor() { take_reserve(); }

Acceptor::~Acceptor() {
  stop();
  if (reserve_ >= 0) ::close(reserve_);
}

void Acceptor::take_reserve() noexcept {
  if (reserve_ < 0) reserve_ = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
}

bool Acceptor::listen(const ListenOptions& options, std::string& error) {
  SLUICE_ASSERT(fd_ < 0);
  fd_ = open_listener(options, port_, error);
  return fd_ >= 0;
}

void Acceptor::stop() noexcept {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

int Acceptor::accept() noexcept {
  SLUICE_ASSERT(fd_ >= 0);
  const int fd = ::accept4(fd_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
  return fd >= 0 ? fd : -errno;
}

uint32_t Acceptor::refuse_waiting(uint32_t limit) noexcept {
  uint32_t refused = 0;
  take_reserve();
  while (refused < limit && reserve_ >= 0) {
    ::close(reserve_);
    reserve_ = -1;
    // Another thread may be quicker to take the file; then there is no reserve until a later call finds a free one.
    const int fd = accept();
    if (fd >= 0) {
      close_socket(fd, true);
      ++refused;
    }
    take_reserve();
    if (fd < 0) break;
  }
  return refused;
}

}  // namespace sluice
