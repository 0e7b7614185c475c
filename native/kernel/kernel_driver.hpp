#pragma once

#include <cstdint>
#include <string>

#include "base/stream.hpp"
#include "kernel/acceptor.hpp"
#include "kernel/episode.hpp"
#include "kernel/factory.hpp"

namespace sluice {

// What the drivers on kernel sockets have in common: the listener with its file limit, and the tick that ends episodes.
class KernelDriver : public StreamDriver {
 public:
  bool listen(const ListenOptions& options, std::string& error) override;
  uint16_t bound_port() const noexcept override { return acceptor_.port(); }
  void stop_listening() override;
  const DriverCounters& counters() const noexcept override { return counters_; }

 protected:
  // Established streams get their turn at the latest after this many accepts.
  static constexpr uint32_t kAcceptBatch = 64;

  explicit KernelDriver(const KernelDriverOptions& options) : sink_(*options.sink), pool_(*options.pool) {}

  // Has connections announced, or announced no more. False with errno set.
  virtual bool watch_listener() noexcept = 0;
  virtual void unwatch_listener() noexcept = 0;
  // Has tick() called every Episode::kTickMs, or no more.
  virtual void set_ticking(bool on) noexcept = 0;
  // Takes over a connected socket for `id`.
  virtual void open(StreamId id, int fd) noexcept = 0;
  // Streams are waiting for a receive block.
  virtual bool starving() const noexcept = 0;

  // Accepts what waits, at most kAcceptBatch.
  uint32_t accept_batch();
  void admit(int fd);
  // Decides what an error of accept means for the listener. True when accepting goes on.
  bool survive_accept_error(int error);
  void note_exhausted();
  void note_file_freed() noexcept { accept_due_ = accept_due_ || accept_paused_; }
  void tick();

  StreamSink& sink_;
  BlockPool& pool_;
  Acceptor acceptor_;
  DriverCounters counters_;
  bool accept_due_ = false;     // accept_batch() should run
  bool accept_paused_ = false;  // the listener is not watched: no files, or it is broken

 private:
  void resume_accepting() noexcept;

  Episode file_limit_;
  Episode listen_error_;
  Episode exhausted_;
};

}  // namespace sluice
