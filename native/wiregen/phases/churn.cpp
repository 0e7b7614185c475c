#include <cstdio>
#include <deque>

#include "bench/window.hpp"
#include "wiregen/opener.hpp"
#include "wiregen/phases.hpp"

namespace sluice::wiregen {

namespace {

class Churn final : public Phase {
 public:
  explicit Churn(Statement& line) {
    const double rate = line.number("rate", 0);
    opener_.configure(rate, static_cast<uint32_t>(line.number("inflight", rate > 0 ? 0 : 64)));
    options_.warmup_s = line.seconds("warmup", 1);
    options_.duration_s = line.seconds("for", 5);
  }

  void begin(Stage& stage) override {
    for (ClientId id = 0; id < stage.settings.clients; ++id) {
      if (stage.clients[id].step() == Step::kNone) free_.push_back(id);
    }
    if (free_.empty()) stage.fail("churn needs clients that are not open: open count=N less than all");
    options_.server_pids = stage.server_pids;
    window_.begin(options_, stage.now());
    opener_.start(stage.now());
  }

  bool turn(Stage& stage) override {
    const bool measuring = window_.measuring();
    window_.update(options_, stage.now());
    if (!measuring && window_.measuring()) counted_from_ = closed_;
    if (measuring && !window_.measuring()) counted_to_ = closed_;
    if (window_.over()) return under_way_ == 0;
    for (uint32_t i = 0; i < Opener::kPerTurn && !free_.empty() && opener_.may_open(stage.now()); ++i) {
      opener_.open(stage, free_.front(), false);
      free_.pop_front();
      ++under_way_;
    }
    return false;
  }

  void on_ready(Stage& stage, ClientId id, bool) override {
    opener_.on_ready(stage, id);
    stage.session.leave(id);
  }

  void on_gone(Stage&, ClientId id) override {
    free_.push_back(id);
    ++closed_;
    --under_way_;
  }

  std::string progress(const Stage&, double seconds) override {
    char line[128];
    std::snprintf(line, sizeof line, "%.0f opened and closed/s, p99 %.2f ms to open", static_cast<double>(closed_ - reported_) / seconds,
                  static_cast<double>(opener_.latency().value_at(0.99)) / 1e6);
    reported_ = closed_;
    return line;
  }

  void report(const Stage&, load::JsonObject& out) const override {
    out.number("closed", closed_);
    window_.report(out, counted_to_ - counted_from_);
    out.raw("latency", opener_.latency().json());
  }

 private:
  load::Options options_;
  load::Window window_;
  Opener opener_;
  // The one that closed longest ago comes next, so that ports rest as long as they can.
  std::deque<ClientId> free_;
  uint64_t under_way_ = 0;
  uint64_t closed_ = 0;
  uint64_t counted_from_ = 0;
  uint64_t counted_to_ = 0;
  uint64_t reported_ = 0;
};

}  // namespace

std::unique_ptr<Phase> make_churn(Statement& line, const Settings&) { return std::make_unique<Churn>(line); }

}  // namespace sluice::wiregen
