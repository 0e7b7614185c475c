#pragma once

#include <cstdint>
#include <vector>

namespace sluice::nic {

// How a receive queue announces frames to a sleeper: by the device's interrupt, by the readiness of its file, or not at all.
class DpdkWakeup {
 public:
  ~DpdkWakeup();
  DpdkWakeup() = default;
  DpdkWakeup(const DpdkWakeup&) = delete;
  DpdkWakeup& operator=(const DpdkWakeup&) = delete;

  void open(uint16_t port, uint16_t queue, bool interrupts, const std::vector<int>& files);

  bool available() const noexcept { return epoll_fd_ >= 0; }
  int fd() const noexcept { return epoll_fd_; }
  bool armed() const noexcept { return armed_; }
  // Asks for the next interrupt; frames that came before have to be looked for afterwards.
  void arm() noexcept;
  void disarm() noexcept;

 private:
  bool open_interrupt() noexcept;
  bool try_interrupt() noexcept;
  bool open_files(const std::vector<int>& files) noexcept;

  uint16_t port_ = 0;
  uint16_t queue_ = 0;
  int epoll_fd_ = -1;
  bool interrupt_ = false;
  bool armed_ = false;
};

}  // namespace sluice::nic
