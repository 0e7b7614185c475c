#pragma once

#include <cstdint>

// The part of the kernel's io_uring interface (io_uring_setup(2), io_uring_enter(2), io_uring_register(2)) that the driver
// speaks. By value instead of by <linux/io_uring.h> or liburing: distributions ship headers that are years older than the
// kernels under them, and what the driver can use is found out at run time (uring_probe.cpp), not when it is compiled.

namespace sluice::uring {

struct Sqe {
  uint8_t opcode;
  uint8_t flags;
  uint16_t ioprio;
  int32_t fd;
  uint64_t offset;
  uint64_t address;
  uint32_t length;
  uint32_t op_flags;
  uint64_t user_data;
  uint16_t buffer_group;
  uint16_t personality;
  int32_t file_index;
  uint64_t address3;
  uint64_t padding;
};
static_assert(sizeof(Sqe) == 64);

struct Cqe {
  uint64_t user_data;
  int32_t result;
  uint32_t flags;
};
static_assert(sizeof(Cqe) == 16);

struct SqOffsets {
  uint32_t head, tail, ring_mask, ring_entries, flags, dropped, array, reserved1;
  uint64_t user_address;
};

struct CqOffsets {
  uint32_t head, tail, ring_mask, ring_entries, overflow, cqes, flags, reserved1;
  uint64_t user_address;
};

struct Params {
  uint32_t sq_entries, cq_entries, flags, sq_thread_cpu, sq_thread_idle, features, wq_fd, reserved[3];
  SqOffsets sq;
  CqOffsets cq;
};
static_assert(sizeof(Params) == 120);

// An entry of a ring of provided buffers. The ring's tail lies in the last two bytes of the first entry.
struct Buffer {
  uint64_t address;
  uint32_t length;
  uint16_t id;
  uint16_t tail;
};
static_assert(sizeof(Buffer) == 16);

struct BufferRingRegistration {
  uint64_t address;
  uint32_t entries;
  uint16_t group;
  uint16_t flags;
  uint64_t reserved[3];
};
static_assert(sizeof(BufferRingRegistration) == 40);

struct Timespec {
  int64_t seconds;
  int64_t nanoseconds;
};

struct WaitArgument {
  uint64_t signal_mask;
  uint32_t signal_mask_size;
  uint32_t min_wait_us;
  uint64_t timeout;  // address of a Timespec
};
static_assert(sizeof(WaitArgument) == 24);

enum Opcode : uint8_t {
  kOpPollAdd = 6,
  kOpSendmsg = 9,
  kOpTimeout = 11,
  kOpAccept = 13,
  kOpAsyncCancel = 14,
  kOpSend = 26,
  kOpRecv = 27,
};

// Sqe::flags
inline constexpr uint8_t kSqeBufferSelect = 1u << 5;
inline constexpr uint8_t kSqeSkipSuccess = 1u << 6;

// Sqe::ioprio of accept and recv; Sqe::length of poll
inline constexpr uint16_t kAcceptMultishot = 1u << 0;
inline constexpr uint16_t kRecvMultishot = 1u << 1;
inline constexpr uint32_t kPollMultishot = 1u << 0;

// Cqe::flags
inline constexpr uint32_t kCqeBuffer = 1u << 0;
inline constexpr uint32_t kCqeMore = 1u << 1;
inline constexpr uint32_t kCqeBufferMore = 1u << 4;  // 6.12: the buffer stays in the ring, behind what was used of it
inline constexpr uint32_t kCqeBufferShift = 16;

// io_uring_setup(2)
inline constexpr uint32_t kSetupCqSize = 1u << 3;
inline constexpr uint32_t kSetupRingDisabled = 1u << 6;
inline constexpr uint32_t kSetupSubmitAll = 1u << 7;     // 5.18
inline constexpr uint32_t kSetupCoopTaskrun = 1u << 8;   // 5.19
inline constexpr uint32_t kSetupTaskrunFlag = 1u << 9;   // 5.19
inline constexpr uint32_t kSetupSingleIssuer = 1u << 12; // 6.0
inline constexpr uint32_t kSetupDeferTaskrun = 1u << 13; // 6.1

inline constexpr uint32_t kFeatureSingleMmap = 1u << 0;
inline constexpr uint32_t kFeatureNoDrop = 1u << 1;
inline constexpr uint32_t kFeatureExtArg = 1u << 8;

// The SQ ring's flags, written by the kernel
inline constexpr uint32_t kSqOverflow = 1u << 1;
inline constexpr uint32_t kSqTaskrun = 1u << 2;

// io_uring_enter(2)
inline constexpr uint32_t kEnterGetEvents = 1u << 0;
inline constexpr uint32_t kEnterExtArg = 1u << 3;

// io_uring_register(2)
inline constexpr uint32_t kRegisterEventfd = 4;
inline constexpr uint32_t kRegisterEnableRings = 12;
inline constexpr uint32_t kRegisterBufferRing = 22;
inline constexpr uint16_t kBufferRingIncremental = 2;    // 6.12

// Offsets for mmap(2)
inline constexpr uint64_t kMapSqRing = 0;
inline constexpr uint64_t kMapSqes = 0x10000000;

}  // namespace sluice::uring
