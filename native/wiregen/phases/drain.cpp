#include <cstdio>

#include "wiregen/phases.hpp"
#include "ws/frame.hpp"

namespace sluice::wiregen {

namespace {

class Drain final : public Phase {
 public:
  explicit Drain(Statement& line) : for_s_(line.seconds("for", 60)) {}

  void begin(Stage& stage) override {
    ends_ns_ = stage.now() + static_cast<uint64_t>(for_s_ * 1e9);
    expected_ = stage.session.ready();
  }

  bool turn(Stage& stage) override {
    if (gone_ == expected_) return true;
    if (stage.now() < ends_ns_) return false;
    stage.fail("at the deadline the server had sent " + std::to_string(closing_) + " of " + std::to_string(expected_) +
               " connections a close frame and ended " + std::to_string(gone_));
    return true;
  }

  void on_message(Stage& stage, ClientId id, const Assembler::Frame& message) override {
    static constexpr std::string_view kNotice = R"({"op":"drain")";
    const std::string_view text(reinterpret_cast<const char*>(message.payload), message.length);
    if (text.starts_with(kNotice)) ++told_;
    else Phase::on_message(stage, id, message);
  }

  void on_lost(Stage& stage, ClientId id, const Loss& loss) override {
    const bool orderly = loss.kind == Loss::Kind::kClosedByServer && (loss.code == ws::kCloseRestart || loss.code == ws::kCloseGoingAway);
    ++closing_;
    if (!orderly) Phase::on_lost(stage, id, loss);
  }
  void on_gone(Stage&, ClientId) override { ++gone_; }

  std::string progress(const Stage& stage, double seconds) override {
    char line[128];
    std::snprintf(line, sizeof line, "%llu told, %.0f closed/s, %llu ready", static_cast<unsigned long long>(told_),
                  static_cast<double>(gone_ - reported_) / seconds, static_cast<unsigned long long>(stage.session.ready()));
    reported_ = gone_;
    return line;
  }

  void report(const Stage&, load::JsonObject& out) const override {
    out.number("told", told_);
    out.number("closed", gone_);
  }

 private:
  double for_s_;
  uint64_t ends_ns_ = 0;
  uint64_t expected_ = 0;
  uint64_t told_ = 0;
  uint64_t closing_ = 0;
  uint64_t gone_ = 0;
  uint64_t reported_ = 0;
};

}  // namespace

std::unique_ptr<Phase> make_drain(Statement& line, const Settings&) { return std::make_unique<Drain>(line); }

}  // namespace sluice::wiregen
