#include "nic/dpdk_files.hpp"

#include <dirent.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <string>

#ifndef AF_XDP
#define AF_XDP 44
#endif

namespace sluice::nic {

namespace {

bool is_socket_of(int fd, int domain) noexcept {
  int has = 0;
  socklen_t length = sizeof has;
  return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &has, &length) == 0 && has == domain;
}

bool is_tap_queue(const char* number) noexcept {
  char target[32] = "";
  const std::string path = std::string("/proc/self/fd/") + number;
  return readlink(path.c_str(), target, sizeof target - 1) > 0 && std::strcmp(target, "/dev/net/tun") == 0;
}

template <typename Wanted>
std::vector<int> files(Wanted wanted) {
  std::vector<int> found;
  DIR* const folder = opendir("/proc/self/fd");
  if (folder == nullptr) return found;
  while (const dirent* entry = readdir(folder)) {
    char* end = nullptr;
    const long fd = std::strtol(entry->d_name, &end, 10);
    if (end != entry->d_name && *end == '\0' && wanted(static_cast<int>(fd), entry->d_name)) found.push_back(static_cast<int>(fd));
  }
  closedir(folder);
  std::sort(found.begin(), found.end());
  return found;
}

std::vector<int> xdp_sockets_and_taps() {
  return files([](int fd, const char* number) { return is_socket_of(fd, AF_XDP) || is_tap_queue(number); });
}

}  // namespace

std::vector<int> packet_sockets() {
  return files([](int fd, const char*) { return is_socket_of(fd, AF_PACKET); });
}

FileWatch::FileWatch() : before_(xdp_sockets_and_taps()) {}

std::vector<int> FileWatch::opened_since() const {
  const std::vector<int> now = xdp_sockets_and_taps();
  std::vector<int> fresh;
  std::set_difference(now.begin(), now.end(), before_.begin(), before_.end(), std::back_inserter(fresh));
  return fresh;
}

}  // namespace sluice::nic
