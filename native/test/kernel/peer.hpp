#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cerrno>
#include <string>
#include <utility>

namespace sluice::test {

// The other end of a connection: a plain socket that never blocks.
class Peer {
 public:
  Peer() : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) { REQUIRE(fd_ >= 0); }
  explicit Peer(uint16_t port, int receive_buffer = 0) : Peer() {
    if (receive_buffer != 0) setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    connect(port);
  }
  void connect(uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected_ = ::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
    fcntl(fd_, F_SETFL, O_NONBLOCK);
  }
  ~Peer() { close(); }
  Peer(Peer&& other) noexcept
      : received(std::move(other.received)), ended(other.ended), error(other.error), fd_(std::exchange(other.fd_, -1)),
        connected_(other.connected_) {}
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;

  bool connected() const { return connected_; }
  uint16_t local_port() const {
    sockaddr_in address{};
    socklen_t length = sizeof address;
    getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &length);
    return ntohs(address.sin_port);
  }

  // Bytes that the socket took.
  size_t send(const std::string& bytes) {
    size_t sent = 0;
    while (sent < bytes.size()) {
      const ssize_t took = ::send(fd_, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
      if (took <= 0) break;
      sent += static_cast<size_t>(took);
    }
    return sent;
  }
  // Takes in what has come, at most `limit` bytes.
  void receive(size_t limit = SIZE_MAX) {
    char bytes[16384];
    while (limit > 0 && !ended && error == 0) {
      const ssize_t got = ::recv(fd_, bytes, std::min(limit, sizeof bytes), 0);
      if (got > 0) {
        received.append(bytes, static_cast<size_t>(got));
        limit -= static_cast<size_t>(got);
      } else if (got == 0) {
        ended = true;
      } else if (errno == EAGAIN) {
        return;
      } else {
        error = errno;
      }
    }
  }
  void shut_send() { ::shutdown(fd_, SHUT_WR); }
  void close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }
  void reset() {
    const linger now{1, 0};
    setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close();
  }

  std::string received;
  bool ended = false;
  int error = 0;

 private:
  int fd_;
  bool connected_ = false;
};

// Bytes of which a missing, doubled or misplaced one shows.
inline std::string pattern(size_t length, uint32_t seed = 1) {
  std::string bytes(length, '\0');
  uint32_t state = seed * 2654435769u + 1;
  for (char& byte : bytes) {
    state = state * 1664525u + 1013904223u;
    byte = static_cast<char>(state >> 24);
  }
  return bytes;
}

}  // namespace sluice::test
