#pragma once

#include <cstdint>
#include <string>

#include "base/stream.hpp"

namespace sluice {

// A listener, and what it does when the process is out of files.
//
// Without a free file accept4 fails and the connection stays in the backlog: its client sees an established connection
// on which nothing ever happens, and a load balancer believes the node to be healthy. So one file is kept in reserve: it is
// given up for a moment, the waiting connection is accepted and reset, and the reserve is taken again. The client learns
// at once that it has to go elsewhere.
class Acceptor {
 public:
  Acceptor();
  ~Acceptor();
  Acceptor(const Acceptor&) = delete;
  Acceptor& operator=(const Acceptor&) = delete;

  bool listen(const ListenOptions& options, std::string& error);
  void stop() noexcept;

  bool listening() const noexcept { return fd_ >= 0; }
  int fd() const noexcept { return fd_; }
  uint16_t port() const noexcept { return port_; }

  // A connected non-blocking socket, or a negative errno.
  int accept() noexcept;

  // Resets at most `limit` waiting connections by means of the reserve; returns how many.
  uint32_t refuse_waiting(uint32_t limit) noexcept;

 private:
  void take_reserve() noexcept;

  int fd_ = -1;
  int reserve_ = -1;
  uint16_t port_ = 0;
};

}  // namespace sluice
