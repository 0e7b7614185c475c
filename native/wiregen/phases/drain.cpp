#include <algorithm>
#include <cstdio>
#include <vector>

#include "bench/header_line.hpp"
#include "wiregen/mix.hpp"
#include "wiregen/phases.hpp"
#include "ws/frame.hpp"

namespace sluice::wiregen {

namespace {

// Clients that obey leave by themselves when the server told them to; the others wait until they are closed.
class Drain final : public Phase {
 public:
  explicit Drain(Statement& line) : for_s_(line.seconds("for", 60)), obey_(line.number("obey", 0, 0, 1)) {
    leaving_.resize(static_cast<size_t>(for_s_ * 1e9 / kSlotNs) + 2);
  }

  void begin(Stage& stage) override {
    begun_ns_ = stage.now();
    ends_ns_ = begun_ns_ + static_cast<uint64_t>(for_s_ * 1e9);
    expected_ = stage.session.ready();
  }

  bool turn(Stage& stage) override {
    if (gone_ == expected_) return true;
    leave_some(stage);
    if (stage.now() < ends_ns_) return false;
    stage.fail("at the deadline the server had sent " + std::to_string(closing_) + " of " + std::to_string(expected_) +
               " connections a close frame and ended " + std::to_string(gone_));
    return true;
  }

  void on_message(Stage& stage, ClientId id, const Assembler::Frame& message) override {
    static constexpr std::string_view kNotice = R"({"op":"drain")";
    const std::string_view text(reinterpret_cast<const char*>(message.payload), message.length);
    if (!text.starts_with(kNotice)) return Phase::on_message(stage, id, message);
    ++told_;
    uint64_t in_ms = 0;
    if (!obeys(stage, id) || !load::HeaderLine(message.payload, message.length).number("reconnect_in_ms", in_ms)) return;
    const uint64_t slot = (stage.now() - begun_ns_ + in_ms * 1'000'000) / kSlotNs;
    leaving_[std::min<uint64_t>(slot, leaving_.size() - 1)].push_back(id);
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
    out.number("obeyed", obeyed_);
  }

 private:
  static constexpr uint64_t kSlotNs = 50'000'000;
  static constexpr uint32_t kLeavingPerTurn = 64;

  bool obeys(const Stage& stage, ClientId id) const noexcept {
    return static_cast<double>(mix(stage.settings.seed, id, 0) >> 11) * 0x1p-53 < obey_;
  }

  void leave_some(Stage& stage) {
    const uint64_t now_slot = (stage.now() - begun_ns_) / kSlotNs;
    uint32_t left = kLeavingPerTurn;
    for (; slot_ < now_slot && slot_ < leaving_.size(); ++slot_) {
      std::vector<ClientId>& due = leaving_[slot_];
      for (; !due.empty() && left != 0; --left) {
        const ClientId id = due.back();
        due.pop_back();
        // Told again to go sooner, or closed meanwhile.
        if (stage.clients[id].step() != Step::kReady) continue;
        ++obeyed_;
        stage.session.leave(id);
      }
      if (!due.empty()) return;
      due = {};
    }
  }

  double for_s_;
  double obey_;
  uint64_t begun_ns_ = 0;
  std::vector<std::vector<ClientId>> leaving_;  // by the time at which they go
  size_t slot_ = 0;
  uint64_t obeyed_ = 0;
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
