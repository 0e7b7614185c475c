#pragma once

#include <sys/socket.h>
#include <sys/uio.h>

#include <cstdint>
#include <vector>

#include "base/stream.hpp"
#include "kernel/uring_abi.hpp"

namespace sluice {

// The writes that wait for the next submission, and what became of them.
class UringSends {
 public:
  struct Send {
    StreamId id;
    uint32_t generation;
    uint32_t offered;
    int32_t result;  // bytes taken or a negative errno
  };

  // As many as fit the submission queue, so that a batch is one system call; their memory stays in the first-level caches.
  static constexpr uint32_t kMostSends = 256;
  static constexpr uint32_t kMostVectors = 1024;
  static_assert(kMostVectors >= StreamDriver::kMaxSlices);

  UringSends() : sends_(kMostSends), messages_(kMostSends), vectors_(kMostVectors) {}

  bool fits(uint32_t slices) const noexcept { return count_ < kMostSends && used_vectors_ + slices <= kMostVectors; }
  // Fills everything of `sqe` but its user data; returns the index of the send. `silent`: only failures and short sends complete.
  uint32_t add(uring::Sqe& sqe, int fd, StreamId id, uint32_t generation, const IoSlice* slices, uint32_t count, bool silent) noexcept;
  void complete(uint32_t index, int32_t result) noexcept;

  uint32_t count() const noexcept { return count_; }
  // Copies all into `out`, which has room for kMostSends, and forgets them; returns how many.
  uint32_t take_all(Send* out) noexcept;
  uint64_t memory() const noexcept {
    return sends_.size() * sizeof(Send) + messages_.size() * sizeof(msghdr) + vectors_.size() * sizeof(iovec);
  }

 private:
  std::vector<Send> sends_;
  std::vector<msghdr> messages_;
  std::vector<iovec> vectors_;
  uint32_t count_ = 0;
  uint32_t used_vectors_ = 0;
};

}  // namespace sluice
