// idle: opens connections and holds them, at each of `steps`. The client answers pings and heartbeats by itself.

#include <cstdio>

#include "bench/client.hpp"
#include "bench/cpu_usage.hpp"
#include "bench/events.hpp"
#include "bench/histogram.hpp"
#include "bench/scenario.hpp"
#include "bench/window.hpp"

namespace sluice::load {

namespace {

class Idle final : public Scenario {
 public:
  void start(Client& client) override {
    steps_ = client.options().steps;
    if (steps_.empty()) steps_ = {client.options().connections};
    next_step(client);
  }

  void on_open(Client& client, Conn& conn) override { opening_.record(client.now_ns() - conn.started_ns); }

  // Unasked-for messages (a welcome's companions, a drain notice) do not matter to who is idle.
  void on_message(Client&, Conn&, const Frame&) override { ++messages_; }

  uint64_t on_turn(Client& client, uint64_t now_ns) override {
    if (client.open_count() < steps_[step_]) {
      if (now_ns > step_ns_ + static_cast<uint64_t>(client.options().open_timeout_s * 1e9)) {
        client.fail("only " + std::to_string(client.open_count()) + " of " + std::to_string(steps_[step_]) + " connections opened in time");
      }
      return kNever;
    }
    client.progressed();
    if (hold_until_ns_ == 0) begin_hold(client, now_ns);
    if (now_ns < hold_until_ns_) return hold_until_ns_;
    if (!client.options().server_pids.empty()) report_hold(client, now_ns);
    if (step_ + 1 == steps_.size()) {
      client.finish();
      return kNever;
    }
    ++step_;
    next_step(client);
    return kNever;
  }

  std::string progress(const Client& client, double) override {
    return client.open_count() < steps_[step_] ? "opening" : "holding, " + std::to_string(messages_) + " messages came";
  }

  void report(const Client& client, JsonObject& out) const override {
    out.number("open", uint64_t{client.open_count()});
    out.number("open_s", open_s_);
    out.raw("opening", opening_.json());
  }

 private:
  void next_step(Client& client) {
    step_ns_ = client.now_ns();
    hold_until_ns_ = 0;
    client.open_up_to(steps_[step_]);
  }

  void begin_hold(Client& client, uint64_t now_ns) {
    open_s_ = static_cast<double>(now_ns - step_ns_) / 1e9;
    hold_until_ns_ = now_ns + static_cast<uint64_t>(client.options().hold_s * 1e9);
    hold_from_ = sample_cpu(client.options().server_pids, now_ns);
    JsonObject event;
    event.string("event", "open");
    event.number("connections", uint64_t{steps_[step_]});
    event.number("seconds", open_s_);
    print_event(event);
    if (!client.options().quiet) std::fprintf(stderr, "open %u in %.2f seconds\n", steps_[step_], open_s_);
  }

  void report_hold(const Client& client, uint64_t now_ns) const {
    CpuSample now = sample_cpu(client.options().server_pids, now_ns);
    double wall = static_cast<double>(now.at_ns - hold_from_.at_ns) / 1e9;
    double server = (now.server_user_s - hold_from_.server_user_s) + (now.server_system_s - hold_from_.server_system_s);
    JsonObject event;
    event.string("event", "held");
    event.number("connections", uint64_t{steps_[step_]});
    event.number("server_busy", wall > 0 ? server / wall : 0.0);
    print_event(event);
  }

  std::vector<uint32_t> steps_;
  size_t step_ = 0;
  uint64_t step_ns_ = 0;
  uint64_t hold_until_ns_ = 0;
  double open_s_ = 0;
  uint64_t messages_ = 0;
  CpuSample hold_from_;
  Histogram opening_;
};

}  // namespace

std::unique_ptr<Scenario> make_idle() { return std::make_unique<Idle>(); }

}  // namespace sluice::load
