#include "kernel/factory.hpp"

#include "base/assert.hpp"
#include "kernel/epoll_driver.hpp"

namespace sluice {

std::unique_ptr<StreamDriver> make_kernel_driver(KernelDriverKind kind, const KernelDriverOptions& options, std::string& message) {
  // The highest ids would look like the tags of the drivers' own events.
  SLUICE_ASSERT(options.capacity > 0 && options.capacity < UINT32_MAX - 256);
  SLUICE_ASSERT(options.pool != nullptr && options.sink != nullptr);
  message.clear();
  if (kind == KernelDriverKind::kUring) {
    message = probe_uring().reason + ". Use --driver epoll";
    return nullptr;
  }
  auto driver = EpollDriver::make(options, message);
  if (driver && kind == KernelDriverKind::kAuto) message = probe_uring().reason;
  return driver;
}

const UringProbe& probe_uring() {
  static const UringProbe probe{.reason = "io_uring: this release has no driver for it yet"};
  return probe;
}

}  // namespace sluice
