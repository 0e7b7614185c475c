#include "kernel/factory.hpp"

#include "base/assert.hpp"
#include "kernel/epoll_driver.hpp"
#include "kernel/uring_driver.hpp"

namespace sluice {

namespace {

std::unique_ptr<StreamDriver> make_uring(const KernelDriverOptions& options, std::string& message) {
  const UringProbe& probe = probe_uring();
  if (probe.usable) return UringDriver::make(options, probe, UringDriver::Sizes{}, message);
  message = probe.reason;
  return nullptr;
}

}  // namespace

std::unique_ptr<StreamDriver> make_kernel_driver(KernelDriverKind kind, const KernelDriverOptions& options, std::string& message) {
  // The highest ids would look like the tags of the drivers' own events.
  SLUICE_ASSERT(options.capacity > 0 && options.capacity < UINT32_MAX - 256);
  SLUICE_ASSERT(options.pool != nullptr && options.sink != nullptr);
  message.clear();
  if (kind != KernelDriverKind::kEpoll) {
    auto driver = make_uring(options, message);
    if (driver) return driver;
    if (kind == KernelDriverKind::kUring) {
      message += ". Use --driver epoll";
      return nullptr;
    }
  }
  std::string why_not_uring;
  why_not_uring.swap(message);
  auto driver = EpollDriver::make(options, message);
  if (driver) message.swap(why_not_uring);
  return driver;
}

}  // namespace sluice
