#include "core/nic_reactor.hpp"

#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/assert.hpp"

namespace sluice::core {

namespace {

void read_counter(int fd) noexcept {
  uint64_t value;
  static_cast<void>(!::read(fd, &value, sizeof value));
}

}  // namespace

NicReactor::~NicReactor() {
  if (timer_fd_ >= 0) ::close(timer_fd_);
  if (epoll_fd_ >= 0) ::close(epoll_fd_);
}

bool NicReactor::open(std::string& error) {
  epoll_fd_ = epoll_create1(EPOLL_CLOEXEC);
  timer_fd_ = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
  bool good = epoll_fd_ >= 0 && timer_fd_ >= 0 && watch(timer_fd_);
  if (good && nic_.wait_fd() >= 0) good = watch(nic_.wait_fd());
  if (!good) error = std::string("opening the files that a core waits on: ") + std::strerror(errno);
  now_us_ = busy_us_ = clock_.now_us();
  return good;
}

bool NicReactor::watch(int fd) noexcept {
  epoll_event event{};
  event.events = EPOLLIN;
  return epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, fd, &event) == 0;
}

void NicReactor::watch_doorbell(int fd) {
  SLUICE_ASSERT(doorbell_fd_ < 0);
  doorbell_fd_ = fd;
  const bool added = watch(fd);
  SLUICE_ASSERT(added);
}

uint64_t NicReactor::now_us() noexcept { return now_us_ = clock_.now_us(); }

uint32_t NicReactor::receive(uint32_t budget) {
  if (__builtin_expect(waiting_, 0)) drain();
  const uint32_t count = interface_.receive(now_us_, budget);
  if (count != 0 || nic_.worked()) busy_us_ = now_us_;
  return count;
}

// A host's loop, or wait(), came back: what was asked to wake it is not asked any more.
void NicReactor::drain() noexcept {
  waiting_ = false;
  if (doorbell_fd_ >= 0) read_counter(doorbell_fd_);
  // An expired timer stays readable until it is read; one that is due later is left, and only set anew where it has to be sooner.
  if (timer_due_us_ <= now_us_) {
    read_counter(timer_fd_);
    timer_due_us_ = UINT64_MAX;
  }
}

uint64_t NicReactor::sleep_us() const noexcept {
  const uint64_t quiet_us = now_us_ - busy_us_;
  if (quiet_us >= kQuietUs) return kLongestSleepUs;
  return std::max(kShortestSleepUs, kLongestSleepUs * quiet_us / kQuietUs);
}

bool NicReactor::arm(uint64_t& until_us) noexcept {
  until_us = std::min(until_us, interface_.next_due_us());
  // No interrupt says that the device takes frames again.
  if (interface_.frames_waiting() != 0 || nic_.stalled()) until_us = std::min(until_us, now_us_ + kShortestSleepUs);
  if (!nic_.capabilities().interrupts) until_us = std::min(until_us, now_us_ + sleep_us());
  return nic_.arm();
}

void NicReactor::wait(int64_t timeout_us) {
  if (timeout_us == 0 || still_busy()) return;
  uint64_t until_us = timeout_us < 0 ? UINT64_MAX : now_us_ + static_cast<uint64_t>(timeout_us);
  if (!arm(until_us) || until_us <= now_us_) return;
  waiting_ = true;
  const uint64_t left_us = until_us == UINT64_MAX ? 1'000'000 : until_us - now_us_;
  const timespec left{static_cast<time_t>(left_us / 1'000'000), static_cast<long>(left_us % 1'000'000 * 1'000)};
  epoll_event events[4];
  // By number: the C library's wrapper is younger than some systems that the addon is to load on.
  const long got = syscall(SYS_epoll_pwait2, epoll_fd_, events, 4, &left, nullptr, 0);
  if (got < 0 && errno == ENOSYS) epoll_wait(epoll_fd_, events, 4, static_cast<int>((left_us + 999) / 1'000));
}

bool NicReactor::prepare_wait(uint64_t until_us) {
  now_us_ = clock_.now_us();
  if (still_busy() || !arm(until_us) || until_us <= now_us_) return false;
  waiting_ = true;
  if (until_us >= timer_due_us_) return true;
  timer_due_us_ = until_us;
  itimerspec spec{};
  spec.it_value = {static_cast<time_t>(until_us / 1'000'000), static_cast<long>(until_us % 1'000'000 * 1'000)};
  timerfd_settime(timer_fd_, TFD_TIMER_ABSTIME, &spec, nullptr);
  return true;
}

}  // namespace sluice::core
