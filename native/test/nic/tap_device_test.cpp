#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstring>
#include <thread>

#include "nic/tap_device.hpp"

using namespace sluice::nic;

namespace {

// As DPDK opens it. Negative where that may not be done here.
int open_tap(const char* name) {
  const int fd = ::open("/dev/net/tun", O_RDWR | O_CLOEXEC);
  ifreq request{};
  std::strncpy(request.ifr_name, name, IFNAMSIZ - 1);
  request.ifr_flags = static_cast<short>(IFF_TAP | IFF_NO_PI | IFF_MULTI_QUEUE);
  if (fd < 0 || ioctl(fd, TUNSETIFF, &request) == 0) return fd;
  ::close(fd);
  return -1;
}

struct Seen {
  bool possible = false;
  bool before = true;
  bool held = false;
  bool kept = true;  // the device is, by nobody
  bool again = false;
  bool behind = true;
  std::string taken;
};

// In a thread that has a network namespace of its own, which ends with it.
Seen look() {
  Seen seen;
  std::thread thread([&seen] {
    if (unshare(CLONE_NEWNET) != 0) return;
    seen.before = tap_is_taken("sluice0");
    int fd = open_tap("sluice0");
    if (fd < 0) return;
    seen.possible = true;
    seen.held = tap_is_taken("sluice0");
    seen.taken = taken_tap({"sluice", "--vdev", "net_tap0,iface=none", "--vdev=net_null0", "--vdev=net_tap1,mac=fixed,iface=sluice0,x=1"});
    static_cast<void>(ioctl(fd, TUNSETPERSIST, 1));
    ::close(fd);
    seen.kept = tap_is_taken("sluice0");
    fd = open_tap("sluice0");
    seen.again = tap_is_taken("sluice0");
    static_cast<void>(ioctl(fd, TUNSETPERSIST, 0));
    ::close(fd);
    seen.behind = tap_is_taken("sluice0");
  });
  thread.join();
  return seen;
}

}  // namespace

TEST_CASE("a TAP device is taken while a process has it, and not while it only is there", "[nic]") {
  const Seen seen = look();
  CHECK_FALSE((seen.possible && seen.before));
  if (!seen.possible) {
    WARN("this process may not make TAP devices in a network namespace of its own");
    return;
  }
  CHECK(seen.held);
  CHECK(seen.taken == "sluice0");
  CHECK_FALSE(seen.kept);
  CHECK(seen.again);
  CHECK_FALSE(seen.behind);
}

TEST_CASE("of EAL arguments only TAP devices with a name are asked for", "[nic]") {
  CHECK(taken_tap({}).empty());
  CHECK(taken_tap({"--vdev"}).empty());
  CHECK(taken_tap({"--vdev=net_tap0", "--vdev=net_af_packet0,iface=lo", "--vdev=net_tap1,iface=lo", "--vdev=net_tap2,iface="}).empty());
  CHECK_FALSE(tap_is_taken("lo"));
  CHECK_FALSE(tap_is_taken(""));
}
