#include <cstdio>

#include "wiregen/opener.hpp"
#include "wiregen/phases.hpp"

namespace sluice::wiregen {

namespace {

constexpr double kStallS = 30;

class Open final : public Phase {
 public:
  Open(Statement& line, const Settings& settings) {
    const double rate = line.number("rate", 0);
    opener_.configure(rate, static_cast<uint32_t>(line.number("inflight", rate > 0 ? 0 : 1024)));
    target_ = static_cast<uint32_t>(line.number("count", settings.clients, 1, settings.clients));
  }

  void begin(Stage& stage) override {
    begun_ns_ = progressed_ns_ = stage.now();
    opener_.start(stage.now());
    for (ClientId id = 0; id < target_; ++id) waiting_ += stage.clients[id].step() != Step::kReady;
  }

  bool turn(Stage& stage) override {
    for (uint32_t i = 0; i < Opener::kPerTurn && next_ < target_ && opener_.may_open(stage.now()); ++next_) {
      if (stage.clients[next_].step() != Step::kNone) continue;
      opener_.open(stage, next_, false);
      ++i;
    }
    if (opener_.opened() == waiting_) {
      if (ended_ns_ == 0) ended_ns_ = stage.now();
      return true;
    }
    if (static_cast<double>(stage.now() - progressed_ns_) > kStallS * 1e9) {
      stage.fail("nothing was opened for 30 s: " + std::to_string(opener_.opened()) + " of " + std::to_string(waiting_) + " are ready");
    }
    return false;
  }

  void on_ready(Stage& stage, ClientId id, bool) override {
    opener_.on_ready(stage, id);
    progressed_ns_ = stage.now();
  }

  std::string progress(const Stage& stage, double seconds) override {
    char line[160];
    std::snprintf(line, sizeof line, "%llu ready, %.0f opened/s, %u opening, p99 %.1f ms",
                  static_cast<unsigned long long>(stage.session.ready()), static_cast<double>(opener_.opened() - reported_) / seconds,
                  opener_.opening(), static_cast<double>(opener_.latency().value_at(0.99)) / 1e6);
    reported_ = opener_.opened();
    return line;
  }

  void report(const Stage&, load::JsonObject& out) const override {
    const double wall = static_cast<double>(ended_ns_ - begun_ns_) / 1e9;
    out.number("opened", opener_.opened());
    out.number("opened_per_second", wall > 0 ? static_cast<double>(opener_.opened()) / wall : 0.0);
    out.raw("latency", opener_.latency().json());
  }

 private:
  Opener opener_;
  uint32_t target_;
  uint32_t waiting_ = 0;
  ClientId next_ = 0;
  uint64_t begun_ns_ = 0;
  uint64_t ended_ns_ = 0;
  uint64_t progressed_ns_ = 0;
  uint64_t reported_ = 0;
};

}  // namespace

std::unique_ptr<Phase> make_open(Statement& line, const Settings& settings) { return std::make_unique<Open>(line, settings); }

}  // namespace sluice::wiregen
