#include <cstdio>

#include "wiregen/phases.hpp"

namespace sluice::wiregen {

namespace {

class Hold final : public Phase {
 public:
  explicit Hold(Statement& line) : for_s_(line.seconds("for", 10)) {}

  void begin(Stage& stage) override {
    ends_ns_ = stage.now() + static_cast<uint64_t>(for_s_ * 1e9);
    before_ = answered(stage);
    reported_ = before_;
  }
  bool turn(Stage& stage) override { return stage.now() >= ends_ns_; }

  std::string progress(const Stage& stage, double seconds) override {
    char line[128];
    const uint64_t now = answered(stage);
    std::snprintf(line, sizeof line, "%llu ready, %.0f signs of life/s", static_cast<unsigned long long>(stage.session.ready()),
                  static_cast<double>(now - reported_) / seconds);
    reported_ = now;
    return line;
  }

  void report(const Stage& stage, load::JsonObject& out) const override {
    out.number("held", stage.session.ready());
    out.number("signs_of_life", answered(stage) - before_);
  }

 private:
  static uint64_t answered(const Stage& stage) noexcept {
    return stage.session.counters().pings + stage.session.counters().heartbeats;
  }

  double for_s_;
  uint64_t ends_ns_ = 0;
  uint64_t before_ = 0;
  uint64_t reported_ = 0;
};

}  // namespace

std::unique_ptr<Phase> make_hold(Statement& line, const Settings&) { return std::make_unique<Hold>(line); }

}  // namespace sluice::wiregen
