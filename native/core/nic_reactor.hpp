#pragma once

#include <cstdint>
#include <string>

#include "base/tick_clock.hpp"
#include "net/interface.hpp"
#include "nic/nic.hpp"
#include "tcp/reactor.hpp"

namespace sluice::core {

// Polls one queue of a NIC for the TCP stack. Under load it never sleeps; when nothing has come for a while it waits for the device's
// interrupt, or, where the device has none, sleeps for times that grow while nothing comes.
class NicReactor final : public tcp::Reactor {
 public:
  // spin_us: how long after the last frame polling goes on.
  NicReactor(net::Interface& interface, uint32_t spin_us) : interface_(interface), nic_(interface.device()), spin_us_(spin_us) {}
  ~NicReactor() override;

  // False with the reason.
  bool open(std::string& error);

  // tcp::Reactor
  uint64_t now_us() noexcept override;
  uint32_t receive(uint32_t budget) override;
  void wait(int64_t timeout_us) override;
  int wait_fd() const noexcept override { return epoll_fd_; }
  void watch_doorbell(int fd) override;
  bool reaches_us(const net::Flow&) const noexcept override { return true; }

  // See DeviceSide; `until_us`: when the stack has something to do.
  bool prepare_wait(uint64_t until_us);

 private:
  // Without interrupts: short enough at first that a conversation goes on, long enough at last that an idle core costs little. A
  // sleep costs some 5 µs of CPU, so the longest keeps an idle core below 1%.
  static constexpr uint64_t kShortestSleepUs = 50;
  static constexpr uint64_t kLongestSleepUs = 1'000;
  static constexpr uint64_t kQuietUs = 20'000;  // after which sleeps are long

  bool watch(int fd) noexcept;
  bool still_busy() const noexcept { return now_us_ - busy_us_ < spin_us_; }
  uint64_t sleep_us() const noexcept;
  // The device will announce frames, or sleeps are bounded. False when frames wait already.
  bool arm(uint64_t& until_us) noexcept;
  void drain() noexcept;

  net::Interface& interface_;
  nic::Nic& nic_;
  const uint64_t spin_us_;
  int epoll_fd_ = -1;
  int timer_fd_ = -1;
  int doorbell_fd_ = -1;
  uint64_t timer_due_us_ = UINT64_MAX;
  bool waiting_ = false;
  TickClock clock_;
  uint64_t now_us_ = 0;
  uint64_t busy_us_ = 0;
};

}  // namespace sluice::core
