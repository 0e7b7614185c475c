#include "nic/dpdk_wakeup.hpp"

#include <sys/epoll.h>
#include <unistd.h>

#include <rte_epoll.h>
#include <rte_ethdev.h>
#include <rte_interrupts.h>
#include <rte_log.h>

namespace sluice::nic {

DpdkWakeup::~DpdkWakeup() {
  if (interrupt_) {
    disarm();
    rte_eth_dev_rx_intr_ctl_q(port_, queue_, epoll_fd_, RTE_INTR_EVENT_DEL, nullptr);
  }
  if (epoll_fd_ >= 0) ::close(epoll_fd_);
}

void DpdkWakeup::open(uint16_t port, uint16_t queue, bool interrupts, const std::vector<int>& files) {
  port_ = port;
  queue_ = queue;
  epoll_fd_ = epoll_create1(EPOLL_CLOEXEC);
  if (epoll_fd_ < 0) return;
  interrupt_ = interrupts && open_interrupt();
  if (interrupt_ || open_files(files)) return;
  ::close(epoll_fd_);
  epoll_fd_ = -1;
}

bool DpdkWakeup::open_interrupt() noexcept {
  // That a driver has none is an answer, not an error to be logged.
  const uint32_t level = rte_log_get_global_level();
  rte_log_set_global_level(RTE_LOG_EMERG);
  const bool works = try_interrupt();
  rte_log_set_global_level(level);
  return works;
}

bool DpdkWakeup::try_interrupt() noexcept {
  if (rte_eth_dev_rx_intr_ctl_q(port_, queue_, epoll_fd_, RTE_INTR_EVENT_ADD, nullptr) != 0) return false;
  // Some drivers take the file and cannot arm it.
  const bool works = rte_eth_dev_rx_intr_enable(port_, queue_) == 0;
  if (works) {
    rte_eth_dev_rx_intr_disable(port_, queue_);
  } else {
    rte_eth_dev_rx_intr_ctl_q(port_, queue_, epoll_fd_, RTE_INTR_EVENT_DEL, nullptr);
  }
  return works;
}

bool DpdkWakeup::open_files(const std::vector<int>& files) noexcept {
  bool added = false;
  for (const int fd : files) {
    epoll_event event{};
    event.events = EPOLLIN;
    added = epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, fd, &event) == 0 || added;
  }
  return added;
}

void DpdkWakeup::arm() noexcept {
  armed_ = true;
  if (interrupt_) rte_eth_dev_rx_intr_enable(port_, queue_);
}

void DpdkWakeup::disarm() noexcept {
  armed_ = false;
  if (!interrupt_) return;
  rte_eth_dev_rx_intr_disable(port_, queue_);
  // Reads what the interrupt left in its file.
  rte_epoll_event event;
  static_cast<void>(rte_epoll_wait(epoll_fd_, &event, 1, 0));
}

}  // namespace sluice::nic
