#include "wiregen/tap_nic.hpp"

#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace sluice::wiregen {

std::unique_ptr<TapNic> TapNic::open(const std::string& name, std::string& error) {
  if (name.empty() || name.size() >= IFNAMSIZ) {
    error = "the name of a TAP device has 1 to 15 characters";
    return nullptr;
  }
  const int fd = ::open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) {
    error = std::string("cannot open /dev/net/tun: ") + std::strerror(errno) + " (is the module tun there, and are you root?)";
    return nullptr;
  }
  ifreq request{};
  std::memcpy(request.ifr_name, name.c_str(), name.size());
  request.ifr_flags = IFF_TAP | IFF_NO_PI;
  if (ioctl(fd, TUNSETIFF, &request) != 0) {
    error = "cannot make the TAP device " + name + ": " + std::strerror(errno) + " (it takes CAP_NET_ADMIN)";
    ::close(fd);
    return nullptr;
  }
  return std::unique_ptr<TapNic>(new TapNic(fd));
}

TapNic::TapNic(int fd) : fd_(fd) {
  // Locally administered; the device itself has another one.
  capabilities_.mac = {{0x02, 0x51, 0x77, 0x69, 0x72, 0x65}};
}

TapNic::~TapNic() { ::close(fd_); }

uint32_t TapNic::receive(nic::Packet** frames, uint32_t max) noexcept {
  uint32_t count = 0;
  while (count < max) {
    nic::Packet* packet = pool_.allocate(HeapPool::kBytes - nic::kHeadroom);
    if (packet == nullptr) {
      ++counters_.rx_missed;
      break;
    }
    const ssize_t got = ::read(fd_, packet->data, packet->tailroom());
    if (got <= 0) {
      pool_.unref(packet);
      break;
    }
    packet->length = static_cast<uint16_t>(got);
    ++counters_.rx_frames;
    counters_.rx_bytes += static_cast<uint64_t>(got);
    frames[count++] = packet;
  }
  return count;
}

uint32_t TapNic::transmit(nic::Packet** frames, uint32_t count) noexcept {
  for (uint32_t i = 0; i < count; ++i) {
    const ssize_t sent = ::write(fd_, frames[i]->data, frames[i]->length);
    // EIO: the interface is not up yet. What the kernel refuses for another reason than a full queue is lost, as on a wire.
    if (sent < 0 && (errno == EAGAIN || errno == ENOBUFS || errno == EINTR)) {
      ++counters_.tx_full;
      return i;
    }
    ++counters_.tx_frames;
    counters_.tx_bytes += frames[i]->length;
    pool_.unref_frame(frames[i]);
  }
  return count;
}

}  // namespace sluice::wiregen
