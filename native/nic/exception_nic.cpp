#include "nic/exception_nic.hpp"

#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/bytes.hpp"

namespace sluice::nic {

namespace {

constexpr uint16_t kTypeVlan = 0x8100;
constexpr uint32_t kMacsBytes = 12;
constexpr uint16_t kTagBytes = 4;

// The kernel is to see the tag that the device took off. False where there is no room for it.
bool restore_tag(Packet* frame) noexcept {
  if (frame->vlan == 0) return true;
  if (frame->headroom() < kTagBytes || frame->length < kMacsBytes) return false;
  const uint8_t* const before = frame->data;
  uint8_t* const at = frame->push(kTagBytes);
  std::memmove(at, before, kMacsBytes);
  store_be16(at + kMacsBytes, kTypeVlan);
  store_be16(at + kMacsBytes + 2, frame->vlan);
  frame->vlan = 0;
  return true;
}

}  // namespace

ExceptionNic::ExceptionNic(Nic& inner, Nic& kernel) : inner_(inner), kernel_(kernel), capabilities_(inner.capabilities()) {
  capabilities_.interrupts = capabilities_.interrupts && kernel.capabilities().interrupts;
}

ExceptionNic::~ExceptionNic() {
  for (uint32_t i = 0; i < given_count_; ++i) pool().unref_frame(given_[i]);
  for (uint32_t i = 0; i < waiting_; ++i) pool().unref_frame(outgoing_[i]);
  if (epoll_fd_ >= 0) ::close(epoll_fd_);
}

bool ExceptionNic::open(std::string& error) {
  epoll_fd_ = epoll_create1(EPOLL_CLOEXEC);
  bool good = epoll_fd_ >= 0;
  for (const int fd : {inner_.wait_fd(), kernel_.wait_fd()}) {
    epoll_event event{};
    event.events = EPOLLIN;
    if (fd >= 0) good = good && epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, fd, &event) == 0;
  }
  if (!good) error = std::string("opening the files that a core waits on: ") + std::strerror(errno);
  return good;
}

void ExceptionNic::give(Packet* frame) noexcept {
  if (given_count_ == kBurst || !restore_tag(frame)) {
    ++lost_;
    return pool().unref_frame(frame);
  }
  frame->flags = 0;
  given_[given_count_++] = frame;
}

uint32_t ExceptionNic::receive(Packet** frames, uint32_t max) noexcept {
  if (given_count_ != 0) hand_over();
  serve_kernel();
  return inner_.receive(frames, max);
}

// What the kernel's port does not take is lost, as at any full queue.
void ExceptionNic::hand_over() noexcept {
  const uint32_t count = std::exchange(given_count_, 0);
  const uint32_t taken = kernel_.transmit(given_, count);
  for (uint32_t i = taken; i < count; ++i) pool().unref_frame(given_[i]);
  out_ += taken;
  lost_ += count - taken;
}

void ExceptionNic::serve_kernel() noexcept {
  // While the device is full nothing more is taken from the kernel, whose own queues then hold it back.
  if (waiting_ == 0) {
    waiting_ = kernel_.receive(outgoing_, kBurst);
    for (uint32_t i = 0; i < waiting_; ++i) outgoing_[i]->flags = 0;
    in_ += waiting_;
  }
  if (waiting_ == 0) return;
  worked_ = true;
  const uint32_t taken = inner_.transmit(outgoing_, waiting_);
  waiting_ -= taken;
  std::copy_n(outgoing_ + taken, waiting_, outgoing_);
}

bool ExceptionNic::arm() noexcept {
  if (given_count_ != 0) hand_over();
  return kernel_.arm() && inner_.arm();
}

bool ExceptionNic::worked() noexcept {
  const bool others = inner_.worked();
  const bool kernels = kernel_.worked();
  return std::exchange(worked_, false) || others || kernels;
}

const NicCounters& ExceptionNic::counters() noexcept {
  counters_ = inner_.counters();
  counters_.kernel_in = in_;
  counters_.kernel_out = out_;
  counters_.kernel_lost = lost_;
  return counters_;
}

}  // namespace sluice::nic
