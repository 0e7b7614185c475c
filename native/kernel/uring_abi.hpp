#pragma once

#include <linux/io_uring.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

// The kernel's io_uring interface without liburing: Debian 12's (2.3) knows nothing newer than Linux 6.1, and an addon that
// needs liburing.so would not load where it is not installed.

namespace sluice::uring {

// Younger than Debian 12's linux/io_uring.h (6.1); the values are from the kernel's header.
inline constexpr uint16_t kBufferRingIncremental = 2;          // IOU_PBUF_RING_INC, 6.12
inline constexpr uint32_t kCqeBufferMore = 1u << 4;            // IORING_CQE_F_BUF_MORE, 6.12

// Each returns what the kernel did, or a negative errno.

inline int setup(uint32_t entries, io_uring_params* params) noexcept {
  const long result = syscall(SYS_io_uring_setup, entries, params);
  return result < 0 ? -errno : static_cast<int>(result);
}

inline int enter(int fd, uint32_t to_submit, uint32_t min_complete, uint32_t flags, const void* argument, size_t size) noexcept {
  const long result = syscall(SYS_io_uring_enter, fd, to_submit, min_complete, flags, argument, size);
  return result < 0 ? -errno : static_cast<int>(result);
}

inline int register_with(int fd, uint32_t opcode, const void* argument, uint32_t count) noexcept {
  const long result = syscall(SYS_io_uring_register, fd, opcode, argument, count);
  return result < 0 ? -errno : static_cast<int>(result);
}

// Indices that the kernel reads or writes. On our side one thread only.
inline uint32_t load_acquire(const uint32_t* p) noexcept { return __atomic_load_n(p, __ATOMIC_ACQUIRE); }
inline void store_release(uint32_t* p, uint32_t value) noexcept { __atomic_store_n(p, value, __ATOMIC_RELEASE); }

}  // namespace sluice::uring
