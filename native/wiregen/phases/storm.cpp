#include <cmath>
#include <cstdio>
#include <vector>

#include "wiregen/opener.hpp"
#include "wiregen/phases.hpp"

namespace sluice::wiregen {

namespace {

constexpr double kStallS = 30;
constexpr uint32_t kDropsPerTurn = 256;

class Storm final : public Phase {
 public:
  Storm(Statement& line, const Settings& settings) {
    stride_ = static_cast<uint32_t>(std::lround(1 / line.number("share", 0.1, 0.0001, 1)));
    const double rate = line.number("rate", 0);
    opener_.configure(rate, static_cast<uint32_t>(line.number("inflight", rate > 0 ? 0 : 4096)));
    const std::string by = line.text("by", "rst");
    if (by != "rst" && by != "fin") line.wrong("by=" + by + " must be rst or fin");
    reset_ = by == "rst";
    resume_ = settings.gateway() && line.text("resume", "yes") != "no";
  }

  void prepare(Stage& stage) override {
    if (resume_) stage.session.keep_tokens(stride_);
  }

  void begin(Stage& stage) override {
    begun_ns_ = progressed_ns_ = stage.now();
    opener_.start(stage.now());
    talkers_ = stage.talkers();
  }

  bool turn(Stage& stage) override {
    for (uint32_t i = 0; i < kDropsPerTurn && next_drop_ < talkers_; ++i, next_drop_ += stride_) {
      if (stage.clients[next_drop_].step() != Step::kReady) continue;
      ++dropped_;
      stage.session.drop(next_drop_, reset_);
    }
    for (uint32_t i = 0; i < Opener::kPerTurn && next_ < gone_.size() && opener_.may_open(stage.now()); ++i) {
      opener_.open(stage, gone_[next_++], resume_);
    }
    if (next_drop_ < talkers_) return false;
    if (opener_.opened() == dropped_) {
      ended_ns_ = stage.now();
      return true;
    }
    if (static_cast<double>(stage.now() - progressed_ns_) > kStallS * 1e9) {
      stage.fail("nobody came back for 30 s: " + std::to_string(opener_.opened()) + " of " + std::to_string(dropped_));
    }
    return false;
  }

  void on_ready(Stage& stage, ClientId id, bool) override {
    opener_.on_ready(stage, id);
    progressed_ns_ = stage.now();
  }
  void on_gone(Stage&, ClientId id) override { gone_.push_back(id); }

  std::string progress(const Stage& stage, double seconds) override {
    char line[128];
    std::snprintf(line, sizeof line, "%llu dropped, %.0f came back/s, %llu ready", static_cast<unsigned long long>(dropped_),
                  static_cast<double>(opener_.opened() - reported_) / seconds, static_cast<unsigned long long>(stage.session.ready()));
    reported_ = opener_.opened();
    return line;
  }

  void report(const Stage& stage, load::JsonObject& out) const override {
    out.number("dropped", dropped_);
    out.number("resumed", stage.session.counters().resumed);
    out.number("seconds", static_cast<double>(ended_ns_ - begun_ns_) / 1e9);
    out.raw("latency", opener_.latency().json());
  }

 private:
  Opener opener_;
  uint32_t stride_;
  bool reset_;
  bool resume_;
  ClientId next_drop_ = 0;
  uint32_t talkers_ = 0;
  std::vector<ClientId> gone_;
  size_t next_ = 0;
  uint64_t dropped_ = 0;
  uint64_t begun_ns_ = 0;
  uint64_t ended_ns_ = 0;
  uint64_t progressed_ns_ = 0;
  uint64_t reported_ = 0;
};

}  // namespace

std::unique_ptr<Phase> make_storm(Statement& line, const Settings& settings) { return std::make_unique<Storm>(line, settings); }

}  // namespace sluice::wiregen
