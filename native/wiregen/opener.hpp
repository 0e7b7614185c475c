#pragma once

#include <cstdint>

#include "bench/histogram.hpp"
#include "bench/pacer.hpp"
#include "wiregen/stage.hpp"

namespace sluice::wiregen {

// When the next connection may be opened: at a rate, or so many at a time; and how long openings took, from the moment they were due.
class Opener {
 public:
  // No more than this are begun in one turn of the loop, so that answers are taken between.
  static constexpr uint32_t kPerTurn = 64;

  void configure(double rate, uint32_t inflight) noexcept {
    rate_ = rate;
    inflight_ = inflight;
  }
  void start(uint64_t now_ns) noexcept {
    if (rate_ > 0) pacer_.start(rate_, now_ns);
  }
  bool may_open(uint64_t now_ns) const noexcept {
    return (inflight_ == 0 || opening_ < inflight_) && (rate_ == 0 || pacer_.is_due(now_ns));
  }
  void open(Stage& stage, ClientId id, bool resume) {
    const uint64_t due_ns = rate_ > 0 ? pacer_.take() : stage.now();
    stage.clients[id].stamp = static_cast<uint32_t>(due_ns / 1000);
    ++opening_;
    stage.session.open(id, resume);
  }
  void on_ready(const Stage& stage, ClientId id) {
    --opening_;
    ++opened_;
    latency_.record(static_cast<uint64_t>(static_cast<uint32_t>(stage.now() / 1000) - stage.clients[id].stamp) * 1000);
  }
  uint32_t opening() const noexcept { return opening_; }
  uint64_t opened() const noexcept { return opened_; }
  const load::Histogram& latency() const noexcept { return latency_; }

 private:
  double rate_ = 0;
  uint32_t inflight_ = 0;
  uint32_t opening_ = 0;
  uint64_t opened_ = 0;
  load::Pacer pacer_;
  load::Histogram latency_;
};

}  // namespace sluice::wiregen
