#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/block_pool.hpp"
#include "base/stream.hpp"

// Where `core` gets its kernel-socket driver. Which of the two it is changes the cost, never the behaviour.

namespace sluice {

enum class KernelDriverKind : uint8_t { kAuto, kEpoll, kUring };

struct KernelDriverOptions {
  uint32_t capacity = 0;      // largest StreamId + 1: the size of the core's connection table
  BlockPool* pool = nullptr;  // receive blocks; outlives the driver
  StreamSink* sink = nullptr; // outlives the driver
};

// What the io_uring driver has to work with: every entry stands for something that was tried, not looked up by version (those given are
// the first kernels that have it).
struct UringProbe {
  bool usable = false;            // everything that the driver cannot do without
  std::string reason;             // when not usable: one line, what failed and how
  bool multishot_accept = false;  // 5.19
  bool multishot_recv = false;    // 6.0
  bool provided_buffers = false;  // 5.19: buffer rings
  bool incremental_buffers = false;  // 6.12: a buffer is consumed bit by bit, so that small receives pack densely
  bool defer_taskrun = false;     // 6.1
  bool single_issuer = false;     // 6.0
  bool coop_taskrun = false;      // 5.19
  bool silent_sends = false;      // 5.19: only short sends complete, and with the bytes that were taken
};

const UringProbe& probe_uring();
// What was found, in words: "multishot accept and receive, incremental buffers, …".
std::string uring_features();

// kAuto takes the best driver that there is. `message` says in one line why the driver could not be made (null is returned), or,
// with kAuto, why it is not io_uring; it is empty otherwise.
std::unique_ptr<StreamDriver> make_kernel_driver(KernelDriverKind kind, const KernelDriverOptions& options, std::string& message);

}  // namespace sluice
