#include "kernel/uring_sends.hpp"

#include <algorithm>
#include <cerrno>

#include "base/assert.hpp"

namespace sluice {

uint32_t UringSends::add(uring::Sqe& sqe, int fd, StreamId id, uint32_t generation, const IoSlice* slices, uint32_t count,
                         bool silent) noexcept {
  SLUICE_ASSERT(fits(count));
  const uint32_t index = count_++;
  sqe.fd = fd;
  // Never waits in the kernel. With MSG_WAITALL a short send is a failure there, with the number of bytes as its result: the
  // others need no completion.
  sqe.op_flags = MSG_NOSIGNAL | MSG_DONTWAIT | (silent ? MSG_WAITALL : 0);
  if (silent) sqe.flags |= uring::kSqeSkipSuccess;
  uint32_t offered = slices[0].length;
  if (count == 1) {
    sqe.opcode = uring::kOpSend;
    sqe.address = reinterpret_cast<uint64_t>(slices[0].data);
    sqe.length = offered;
  } else {
    iovec* vectors = &vectors_[used_vectors_];
    used_vectors_ += count;
    offered = 0;
    for (uint32_t i = 0; i < count; ++i) {
      vectors[i] = {const_cast<uint8_t*>(slices[i].data), slices[i].length};
      offered += slices[i].length;
    }
    msghdr& message = messages_[index];
    message = msghdr{};
    message.msg_iov = vectors;
    message.msg_iovlen = count;
    sqe.opcode = uring::kOpSendmsg;
    sqe.address = reinterpret_cast<uint64_t>(&message);
    sqe.length = 1;
  }
  // Silent ones that are not heard of were taken whole; of the others every one is heard of.
  sends_[index] = Send{id, generation, offered, silent ? static_cast<int32_t>(offered) : -EAGAIN};
  return index;
}

void UringSends::complete(uint32_t index, int32_t result) noexcept {
  SLUICE_ASSERT(index < count_);
  Send& send = sends_[index];
  SLUICE_ASSERT(result <= 0 || static_cast<uint32_t>(result) <= send.offered);
  send.result = result;
}

uint32_t UringSends::take_all(Send* out) noexcept {
  const uint32_t count = count_;
  std::copy_n(sends_.begin(), count, out);
  count_ = used_vectors_ = 0;
  return count;
}

}  // namespace sluice
