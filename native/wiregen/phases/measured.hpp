#pragma once

#include <cstdint>
#include <string>

#include "bench/window.hpp"
#include "wiregen/stage.hpp"

namespace sluice::wiregen {

// The time of a phase that sends messages: it waits until nothing of the phase before is under way, warms up, measures, and then waits
// for the answers that are still to come.
class Measured {
 public:
  static constexpr double kStallS = 15;

  void configure(double warmup_s, double duration_s) {
    options_.warmup_s = warmup_s;
    options_.duration_s = duration_s;
  }
  const load::Options& options() const noexcept { return options_; }

  // True once, when messages may be numbered anew.
  bool starts(Stage& stage) {
    if (started_ || stage.tcp.messages_queued() > 0) return false;
    started_ = true;
    options_.server_pids = stage.server_pids;
    window_.begin(options_, stage.now());
    progressed_ns_ = stage.now();
    return true;
  }
  bool started() const noexcept { return started_; }

  void update(Stage& stage) { window_.update(options_, stage.now()); }
  void progressed(const Stage& stage) noexcept { progressed_ns_ = stage.now(); }
  // Fails the run where nothing has come for too long although something is due. `missing()` says what; it is asked then only, since this
  // is looked at in every turn.
  template <typename Missing>
  void watch(Stage& stage, const Missing& missing) const {
    if (stalled(stage)) stage.fail("nothing came for 15 s: " + missing());
  }
  bool stalled(const Stage& stage) const noexcept { return static_cast<double>(stage.now() - progressed_ns_) > kStallS * 1e9; }

  const load::Window& window() const noexcept { return window_; }
  bool sending() const noexcept { return started_ && !window_.over(); }

 private:
  load::Options options_;
  load::Window window_;
  uint64_t progressed_ns_ = 0;
  bool started_ = false;
};

// So many messages are queued in one turn of the loop at most, so that answers are taken between.
inline constexpr uint32_t kSendsPerTurn = 256;

}  // namespace sluice::wiregen
