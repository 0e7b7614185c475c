#include "kernel/socket.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace sluice {

namespace {

struct BindAddress {
  sockaddr_storage storage;
  socklen_t length;
};

bool parse_address(const ListenOptions& options, BindAddress& out) {
  std::memset(&out, 0, sizeof out);
  auto* v4 = reinterpret_cast<sockaddr_in*>(&out.storage);
  if (inet_pton(AF_INET, options.address.c_str(), &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons(options.port);
    out.length = sizeof(sockaddr_in);
    return true;
  }
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&out.storage);
  if (inet_pton(AF_INET6, options.address.c_str(), &v6->sin6_addr) == 1) {
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(options.port);
    out.length = sizeof(sockaddr_in6);
    return true;
  }
  return false;
}

bool bind_and_listen(int fd, const ListenOptions& options, const BindAddress& address, std::string& error) {
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  // Linux hands TCP_NODELAY from a listener to what it accepts: one call here instead of one per connection.
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (options.reuse_port && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) != 0) {
    error = describe_error("setting SO_REUSEPORT on the listener", errno);
    return false;
  }
  const std::string where = options.address + " port " + std::to_string(options.port);
  if (bind(fd, reinterpret_cast<const sockaddr*>(&address.storage), address.length) != 0) {
    error = describe_error(("binding " + where).c_str(), errno);
    if (errno == EADDRINUSE) error += "; choose another port or stop who uses it";
    if (errno == EACCES) error += "; ports below 1024 need CAP_NET_BIND_SERVICE";
    if (errno == EADDRNOTAVAIL) error += "; no interface of this machine has that address";
    return false;
  }
  if (listen(fd, options.backlog) != 0) {
    error = describe_error(("listening on " + where).c_str(), errno);
    return false;
  }
  return true;
}

uint16_t port_of(int fd) noexcept {
  sockaddr_storage bound{};
  socklen_t length = sizeof bound;
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&bound), &length) != 0) return 0;
  // The port stands at the same place in both families.
  return ntohs(reinterpret_cast<const sockaddr_in*>(&bound)->sin_port);
}

}  // namespace

int open_listener(const ListenOptions& options, uint16_t& port, std::string& error) {
  BindAddress address;
  if (!parse_address(options, address)) {
    error = "'" + options.address + "' is not a numeric IPv4 or IPv6 address";
    return -1;
  }
  const int fd = socket(address.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) {
    error = describe_error("opening a listening socket", errno);
    return -1;
  }
  if (!bind_and_listen(fd, options, address, error)) {
    ::close(fd);
    return -1;
  }
  port = port_of(fd);
  return fd;
}

bool is_file_limit(int error) noexcept { return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM; }

void close_socket(int fd, bool reset) noexcept {
  if (reset) {
    const linger now{1, 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
  }
  ::close(fd);
}

bool peer_of(int fd, PeerAddress& out) noexcept {
  sockaddr_storage peer{};
  socklen_t length = sizeof peer;
  if (getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &length) != 0) return false;
  std::memset(&out, 0, sizeof out);
  if (peer.ss_family == AF_INET) {
    const auto* v4 = reinterpret_cast<const sockaddr_in*>(&peer);
    std::memcpy(out.ip, &v4->sin_addr, 4);
    out.port = ntohs(v4->sin_port);
    out.family = 4;
    return true;
  }
  if (peer.ss_family != AF_INET6) return false;
  const auto* v6 = reinterpret_cast<const sockaddr_in6*>(&peer);
  // A dual-stack listener sees IPv4 clients as ::ffff:a.b.c.d; per-address limits must not tell the two apart.
  const bool mapped = IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr);
  std::memcpy(out.ip, v6->sin6_addr.s6_addr + (mapped ? 12 : 0), mapped ? 4 : 16);
  out.port = ntohs(v6->sin6_port);
  out.family = mapped ? 4 : 6;
  return true;
}

std::string describe_error(const char* what, int error) {
  return std::string(what) + ": " + std::strerror(error) + " (errno " + std::to_string(error) + ")";
}

}  // namespace sluice
