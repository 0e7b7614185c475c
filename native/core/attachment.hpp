#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "queue/region.hpp"

namespace sluice::core {

// A control plane's hold on the region of an engine in another process.
class Attachment {
 public:
  // Waits until the engine grants the region, at most timeout_ms. Null with a sentence in `error` that says what to do; until it is
  // granted nothing of the region was touched.
  static std::unique_ptr<Attachment> connect(const std::string& name, bool replace, int timeout_ms, std::string& error);
  ~Attachment();
  Attachment(const Attachment&) = delete;
  Attachment& operator=(const Attachment&) = delete;

  queue::Region& region() noexcept { return *region_; }
  uint32_t epoch() const noexcept { return epoch_; }
  uint32_t former_pid() const noexcept { return former_pid_; }
  uint32_t pause_ms() const noexcept { return pause_ms_; }
  const std::vector<uint8_t>& snapshot() const noexcept { return snapshot_; }

  // Readable when the cores have events for a control plane that sleeps.
  int wake_fd() const noexcept { return wake_; }
  void reset_wake() noexcept;
  void ring(uint32_t core) noexcept;

  // Readable when the engine has something to say, or is gone.
  int socket() const noexcept { return socket_; }
  enum class Said : uint8_t { kNothing, kStop, kGone };
  // `by`: the process that takes over.
  Said listen(uint32_t& by) noexcept;
  // The first turn is over: what was waiting flows again.
  void running() noexcept;
  // Gives the region up: nothing may be written to it any more.
  void detach() noexcept;

 private:
  Attachment() = default;
  bool receive_grant(int timeout_ms, std::string& error);
  bool take_snapshot(int fd, uint64_t size, std::string& error);

  std::unique_ptr<queue::Region> region_;
  std::vector<uint8_t> snapshot_;
  std::vector<int> doorbells_;
  int socket_ = -1;
  int wake_ = -1;
  uint32_t epoch_ = 0;
  uint32_t former_pid_ = 0;
  uint32_t pause_ms_ = 0;
};

}  // namespace sluice::core
