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
    message = "io_uring: not built";
    return nullptr;
  }
  return EpollDriver::make(options, message);
}

}  // namespace sluice
