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
  // Asks the engine for the region; `flags` of core/attach_protocol.hpp. Null with a sentence in `error` that says what to do. Until it
  // is granted nothing of the region is touched.
  static std::unique_ptr<Attachment> request(const std::string& name, uint32_t flags, std::string& error);
  // The engine's answer, once socket() is readable. False with the reason in `error`.
  bool receive_grant(std::string& error);
  ~Attachment();
  Attachment(const Attachment&) = delete;
  Attachment& operator=(const Attachment&) = delete;

  queue::Region& region() noexcept { return *region_; }
  uint32_t epoch() const noexcept { return epoch_; }
  uint32_t former_pid() const noexcept { return former_pid_; }
  uint32_t pause_ms() const noexcept { return pause_ms_; }
  // Memory of its own. A copy on write, so that nobody's mistake reaches what the engine wrote.
  uint8_t* snapshot() noexcept { return snapshot_; }
  uint64_t snapshot_size() const noexcept { return snapshot_size_; }

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
  bool take_snapshot(int fd, uint64_t size, std::string& error);

  std::unique_ptr<queue::Region> region_;
  uint8_t* snapshot_ = nullptr;
  uint64_t snapshot_size_ = 0;
  std::vector<int> doorbells_;
  int socket_ = -1;
  int wake_ = -1;
  uint32_t epoch_ = 0;
  uint32_t former_pid_ = 0;
  uint32_t pause_ms_ = 0;
};

}  // namespace sluice::core
