#include <cmath>
#include <cstdio>

#include "wiregen/phases.hpp"
#include "wiregen/phases/measured.hpp"

namespace sluice::wiregen {

namespace {

class Echo final : public Phase {
 public:
  Echo(Statement& line, const Settings& settings) {
    plan_.shape = MessagePlan::Shape::kEcho;
    plan_.size = static_cast<uint32_t>(line.number("size", 64, 1, 1'000'000));
    plan_.text = line.flag("text");
    senders_ = static_cast<uint32_t>(line.number("senders", settings.clients, 1, settings.clients));
    rate_ = line.number("rate", 0);
    depth_ = static_cast<uint32_t>(line.number("depth", 1, 1, SendQueue::kMaxRun));
    measured_.configure(line.seconds("warmup", 1), line.seconds("for", 5));
    if (settings.gateway()) line.wrong("the gateway does not echo: use publish");
  }

  void begin(Stage&) override {}

  bool turn(Stage& stage) override {
    if (measured_.starts(stage)) start(stage);
    if (!measured_.started() || plan_.senders == 0) return false;
    measured_.update(stage);
    send_due(stage);
    if (!measured_.sending() && turn_ >= turns_ && sent_ == received_) return true;
    if (sent_ != received_ || overdue(stage)) {
      measured_.watch(stage, [this] { return std::to_string(sent_ - received_) + " echoes are missing"; });
    }
    return false;
  }

  void on_message(Stage& stage, ClientId id, const Assembler::Frame& message) override {
    Client& client = stage.clients[id];
    const uint32_t number = client.received + 1;
    const bool right_kind = message.opcode == (plan_.text ? 1 : 2);
    if (number > client.sent || !right_kind || !stage.items.payload().matches(message.payload, message.length, id, number)) {
      return stage.fail(stage.name_of(id) + ": echo " + std::to_string(number) + " of " + std::to_string(client.sent) +
                        " is not what was sent (" + std::to_string(message.length) + " bytes)");
    }
    client.received = number;
    ++received_;
    measured_.progressed(stage);
    note(stage, client, id, number);
    if (rate_ == 0 && measured_.sending()) send(stage, id);
  }

  std::string progress(const Stage&, double seconds) override {
    char line[128];
    std::snprintf(line, sizeof line, "%.0f echoes/s, p50 %.0f us, p99 %.0f us", static_cast<double>(received_ - reported_) / seconds,
                  static_cast<double>(latency_.value_at(0.5)) / 1e3, static_cast<double>(latency_.value_at(0.99)) / 1e3);
    reported_ = received_;
    return line;
  }

  void report(const Stage&, load::JsonObject& out) const override {
    out.number("senders", uint64_t{plan_.senders});
    out.number("size", uint64_t{plan_.size});
    if (rate_ > 0) out.number("rate", rate_);
    else out.number("depth", uint64_t{depth_});
    out.number("echoes", received_);
    measured_.window().report(out, counted_);
    out.raw("latency", latency_.json());
  }

 private:
  void start(Stage& stage) {
    for (ClientId id = 0; id < stage.settings.clients; ++id) {
      Client& client = stage.clients[id];
      client.sent = client.received = 0;
      client.clear(kProbing);
    }
    plan_.senders = std::min(senders_, stage.talkers());
    if (plan_.senders == 0) return stage.fail("nobody is open who could send: open clients first");
    plan_.stride = stage.talkers() / plan_.senders;
    plan_.from_ns = stage.now();
    plan_.interval_ns = rate_ > 0 ? 1e9 / rate_ : 0;
    turns_ = static_cast<uint64_t>(std::llround(rate_ * (measured_.options().warmup_s + measured_.options().duration_s)));
    stage.items.begin_messages(plan_);
    if (rate_ > 0) return;
    for (uint32_t i = 0; i < plan_.senders; ++i) {
      for (uint32_t d = 0; d < depth_; ++d) send(stage, plan_.sender_of(i));
    }
  }

  bool overdue(const Stage& stage) const noexcept {
    return turn_ < turns_ && stage.now() > plan_.due_ns(turn_) + kOverdueNs;
  }

  // All that is due within the time, though it be sent behind its end: a generator that did not get its CPU offers the same load, late.
  void send_due(Stage& stage) {
    for (uint32_t i = 0; i < kSendsPerTurn && turn_ < turns_ && plan_.due_ns(turn_) <= stage.now(); ++i) {
      // Where a client cannot take it the turn waits, and with it all that follow: what that costs is latency from when it was due.
      if (!send(stage, plan_.sender_of(turn_))) return;
      ++turn_;
    }
  }

  bool send(Stage& stage, ClientId id) {
    Client& client = stage.clients[id];
    if (client.step() != Step::kReady || !stage.tcp.queue(id, ItemKind::kMessage)) return false;
    ++sent_;
    if (rate_ == 0 && !client.has(kProbing)) {
      client.set(kProbing);
      client.probe = client.sent;
      client.stamp = static_cast<uint32_t>(stage.now() / kStampUnit);
    }
    return true;
  }

  void note(const Stage& stage, Client& client, ClientId id, uint32_t number) {
    const bool probe = rate_ == 0 && client.has(kProbing) && client.probe == number;
    if (probe) client.clear(kProbing);
    if (!measured_.window().measuring()) return;
    ++counted_;
    if (rate_ > 0) latency_.record(stage.now() - plan_.due_ns(plan_.turn_of(id, number)));
    if (probe) latency_.record(static_cast<uint64_t>(static_cast<uint32_t>(stage.now() / kStampUnit) - client.stamp) * kStampUnit);
  }

  static constexpr uint64_t kOverdueNs = 10'000'000'000;
  static constexpr uint64_t kStampUnit = 64;  // nanoseconds: 32 bits last for 274 s

  MessagePlan plan_;
  Measured measured_;
  uint32_t senders_;
  uint32_t depth_;
  double rate_;
  uint64_t turn_ = 0;
  uint64_t turns_ = 0;  // none in a closed loop
  uint64_t sent_ = 0;
  uint64_t received_ = 0;
  uint64_t reported_ = 0;
  uint64_t counted_ = 0;
  load::Histogram latency_;
};

}  // namespace

std::unique_ptr<Phase> make_echo(Statement& line, const Settings& settings) { return std::make_unique<Echo>(line, settings); }

}  // namespace sluice::wiregen
