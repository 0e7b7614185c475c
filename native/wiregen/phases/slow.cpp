#include "wiregen/phases.hpp"

namespace sluice::wiregen {

namespace {

// Makes slow readers of the last clients and is over at once: they stay so.
class Slow final : public Phase {
 public:
  Slow(Statement& line, const Settings& settings) {
    count_ = static_cast<uint32_t>(line.number("count", 1, 1, settings.clients));
    window_ = static_cast<uint16_t>(line.number("window", 0, 0, 65535));
    every_ms_ = static_cast<uint32_t>(line.seconds("every", 0) * 1e3);
    if (every_ms_ > 15'000) line.wrong("every must be 15s or less");
  }

  void begin(Stage& stage) override {
    stage.slow = std::max(stage.slow, count_);
    stage.slow_window = window_;
    stage.slow_every_ms = every_ms_;
    for (ClientId id = stage.talkers(); id < stage.session.ready(); ++id) {
      if (stage.clients[id].step() != Step::kReady) continue;
      ++made_;
      stage.tcp.open_read_window(id, window_);
      if (every_ms_ > 0) stage.tcp.slow_tick_in(id, every_ms_);
    }
  }
  bool turn(Stage&) override { return true; }
  std::string progress(const Stage&, double) override { return "slow readers"; }
  void report(const Stage&, load::JsonObject& out) const override { out.number("slow", made_); }

 private:
  uint32_t count_;
  uint16_t window_;
  uint32_t every_ms_;
  uint64_t made_ = 0;
};

}  // namespace

std::unique_ptr<Phase> make_slow(Statement& line, const Settings& settings) { return std::make_unique<Slow>(line, settings); }

}  // namespace sluice::wiregen
