#include <cstdio>

#include "bench/pacer.hpp"
#include "wiregen/phases.hpp"

namespace sluice::wiregen {

namespace {

constexpr double kStallS = 30;
constexpr uint32_t kPerTurn = 64;

class Close final : public Phase {
 public:
  explicit Close(Statement& line) : rate_(line.number("rate", 0)) {}

  void begin(Stage& stage) override {
    progressed_ns_ = stage.now();
    if (rate_ > 0) pacer_.start(rate_, stage.now());
  }

  bool turn(Stage& stage) override {
    for (uint32_t i = 0; i < kPerTurn && next_ < stage.settings.clients && (rate_ == 0 || pacer_.is_due(stage.now())); ++next_) {
      if (stage.clients[next_].step() != Step::kReady) continue;
      if (rate_ > 0) pacer_.take();
      stage.session.leave(next_);
      ++left_;
      ++i;
    }
    if (next_ == stage.settings.clients && gone_ >= left_) return true;
    if (static_cast<double>(stage.now() - progressed_ns_) > kStallS * 1e9) {
      stage.fail("nothing was closed for 30 s: " + std::to_string(gone_) + " of " + std::to_string(left_));
    }
    return false;
  }

  void on_gone(Stage& stage, ClientId) override {
    ++gone_;
    progressed_ns_ = stage.now();
  }

  std::string progress(const Stage& stage, double seconds) override {
    char line[96];
    std::snprintf(line, sizeof line, "%.0f closed/s, %llu ready", static_cast<double>(gone_ - reported_) / seconds,
                  static_cast<unsigned long long>(stage.session.ready()));
    reported_ = gone_;
    return line;
  }
  void report(const Stage&, load::JsonObject& out) const override { out.number("closed", gone_); }

 private:
  double rate_;
  load::Pacer pacer_;
  ClientId next_ = 0;
  uint64_t left_ = 0;
  uint64_t gone_ = 0;
  uint64_t reported_ = 0;
  uint64_t progressed_ns_ = 0;
};

}  // namespace

std::unique_ptr<Phase> make_close(Statement& line, const Settings&) { return std::make_unique<Close>(line); }

}  // namespace sluice::wiregen
