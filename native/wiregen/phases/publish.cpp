#include <cstdio>

#include "bench/header_line.hpp"
#include "wiregen/phases.hpp"
#include "wiregen/phases/measured.hpp"

namespace sluice::wiregen {

namespace {

class Publish final : public Phase {
 public:
  Publish(Statement& line, const Settings& settings) {
    plan_.shape = MessagePlan::Shape::kPublish;
    plan_.size = static_cast<uint32_t>(line.number("size", 512, ItemWriter::kStampBytes + 1, 60'000));
    plan_.text = line.flag("text");
    plan_.burst = static_cast<uint32_t>(line.number("burst", 1, 1, 4096));
    senders_ = static_cast<uint32_t>(line.number("senders", settings.clients, 1, settings.clients));
    rate_ = line.number("rate", 0, 0.001);
    crowd_ = line.flag("crowd");
    takeovers_ = line.flag("takeovers");
    measured_.configure(line.seconds("warmup", 1), line.seconds("for", 10));
    if (!settings.gateway()) line.wrong("needs protocol=sluice.v1");
    if (rate_ == 0) line.wrong("needs rate=");
    if (crowd_ && settings.crowd == 0) line.wrong("crowd=yes needs a crowd: channels count=N crowd=M");
  }

  void begin(Stage&) override {}

  bool turn(Stage& stage) override {
    if (measured_.starts(stage)) start(stage);
    if (!measured_.started() || plan_.senders == 0) return false;
    const bool measuring = measured_.window().measuring();
    measured_.update(stage);
    if (!measuring && measured_.window().measuring()) {
      stage.deliveries.clear_latency();
      counted_from_ = stage.deliveries.count();
    }
    if (measuring && !measured_.window().measuring()) counted_to_ = stage.deliveries.count();
    if (measured_.sending()) send_due(stage);
    const uint64_t delivered = stage.deliveries.count() - delivered_before_;
    if (delivered != seen_) measured_.progressed(stage);
    seen_ = delivered;
    if (!measured_.sending() && acks_ == sent_ && delivered == expected_) return true;
    if (delivered > expected_) {
      stage.fail("more deliveries than subscribers: " + std::to_string(delivered) + " of " + std::to_string(expected_));
    }
    const bool overdue = measured_.sending() && stage.now() > plan_.due_ns(turn_) + kOverdueNs;
    if (acks_ != sent_ || delivered != expected_ || overdue) {
      measured_.watch(stage, [&] {
        return std::to_string(sent_ - acks_) + " acknowledgements and " + std::to_string(expected_ - delivered) +
               " deliveries are missing" + who_is_behind(stage);
      });
    }
    return false;
  }

  void on_message(Stage& stage, ClientId id, const Assembler::Frame& message) override {
    static constexpr std::string_view kDelivery = R"({"op":"msg")";
    const std::string_view text(reinterpret_cast<const char*>(message.payload), message.length);
    if (text.starts_with(kDelivery)) return Phase::on_message(stage, id, message);
    const load::HeaderLine header(message.payload, message.length);
    Client& client = stage.clients[id];
    uint64_t number = 0;
    const bool good = header.is_op("ok") && header.number("id", number) && !header.string("msg_id").empty();
    number -= ItemWriter::kIdBase;
    // Every key is new: a server that takes one for a repetition has lost a message.
    // A gateway that died with a stored publish leaves it to its successor to acknowledge, which finds it by its key.
    const bool repeated = !takeovers_ && text.find("\"duplicate\":true") != std::string_view::npos;
    if (!good || repeated || number == 0 || number > client.sent || client.received == client.sent) {
      return stage.fail(stage.name_of(id) + ": instead of an acknowledgement: " + std::string(text.substr(0, 300)));
    }
    ++client.received;
    ++acks_;
    measured_.progressed(stage);
    if (measured_.window().measuring()) latency_.record(stage.now() - plan_.due_ns(plan_.turn_of(id, static_cast<uint32_t>(number))));
  }

  std::string progress(const Stage& stage, double seconds) override {
    char line[160];
    const uint64_t delivered = stage.deliveries.count() - delivered_before_;
    std::snprintf(line, sizeof line, "%.0f published/s, %.0f delivered/s, p50 %.2f ms, p99 %.2f ms",
                  static_cast<double>(acks_ - reported_acks_) / seconds, static_cast<double>(delivered - reported_) / seconds,
                  static_cast<double>(stage.deliveries.latency().value_at(0.5)) / 1e6,
                  static_cast<double>(stage.deliveries.latency().value_at(0.99)) / 1e6);
    reported_acks_ = acks_;
    reported_ = delivered;
    return line;
  }

  void report(const Stage& stage, load::JsonObject& out) const override {
    out.number("senders", uint64_t{plan_.senders});
    out.number("size", uint64_t{plan_.size});
    out.number("rate", rate_);
    out.number("burst", uint64_t{plan_.burst});
    out.number("published", acks_);
    out.number("deliveries", seen_);
    measured_.window().report(out, counted_to_ - counted_from_);
    out.raw("latency", stage.deliveries.latency().json());
    out.raw("late", stage.deliveries.lateness().json());
    out.raw("acknowledgement", latency_.json());
  }

 private:
  void start(Stage& stage) {
    members_.assign(stage.settings.channels, 0);
    for (ClientId id = 0; id < stage.settings.clients; ++id) {
      Client& client = stage.clients[id];
      client.sent = client.received = 0;
      if (client.step() == Step::kReady && !client.has(kSlowReader)) ++members_[stage.settings.channel_of(id)];
    }
    plan_.senders = std::min(senders_, stage.talkers());
    if (plan_.senders == 0) return stage.fail("nobody is open who could publish: open clients first");
    plan_.stride = stage.talkers() / plan_.senders;
    plan_.from_ns = stage.now();
    plan_.interval_ns = 1e9 / rate_;
    const bool apart = stage.settings.crowd > 0 && !crowd_;
    plan_.first_channel = apart ? 1 : 0;
    plan_.channels = crowd_ ? 1 : stage.settings.channels - plan_.first_channel;
    delivered_before_ = stage.deliveries.count();
    stage.items.begin_messages(plan_);
  }

  // Only once a run, when it has failed: a client that had less of its channel than another one.
  std::string who_is_behind(const Stage& stage) const {
    if (!measured_.stalled(stage)) return "";
    std::vector<uint32_t> most(stage.settings.channels, 0);
    const auto counts = [&](ClientId id) { return stage.clients[id].step() == Step::kReady && !stage.clients[id].has(kSlowReader); };
    for (ClientId id = 0; id < stage.settings.clients; ++id) {
      uint32_t& seen = most[stage.settings.channel_of(id)];
      if (counts(id)) seen = std::max(seen, stage.clients[id].channel_seq);
    }
    for (ClientId id = 0; id < stage.settings.clients; ++id) {
      const uint32_t channel = stage.settings.channel_of(id);
      if (!counts(id) || stage.clients[id].channel_seq == most[channel]) continue;
      return "; " + stage.name_of(id) + " has " + stage.items.channel_name(channel) + " up to " +
             std::to_string(stage.clients[id].channel_seq) + ", others up to " + std::to_string(most[channel]);
    }
    return "";
  }

  void send_due(Stage& stage) {
    for (uint32_t i = 0; i < kSendsPerTurn && plan_.due_ns(turn_) <= stage.now(); ++i, ++turn_) {
      const ClientId id = plan_.sender_of(turn_);
      Client& client = stage.clients[id];
      if (client.step() != Step::kReady || !stage.tcp.queue(id, ItemKind::kMessage)) return;
      ++sent_;
      expected_ += members_[plan_.channel_of(id, client.sent)];
    }
  }

  static constexpr uint64_t kOverdueNs = 10'000'000'000;

  MessagePlan plan_;
  Measured measured_;
  std::vector<uint32_t> members_;
  uint32_t senders_;
  double rate_;
  bool crowd_;
  bool takeovers_ = false;
  uint64_t turn_ = 0;
  uint64_t sent_ = 0;
  uint64_t acks_ = 0;
  uint64_t expected_ = 0;
  uint64_t seen_ = 0;
  uint64_t delivered_before_ = 0;
  uint64_t counted_from_ = 0;
  uint64_t counted_to_ = 0;
  uint64_t reported_ = 0;
  uint64_t reported_acks_ = 0;
  load::Histogram latency_;
};

}  // namespace

std::unique_ptr<Phase> make_publish(Statement& line, const Settings& settings) { return std::make_unique<Publish>(line, settings); }

}  // namespace sluice::wiregen
