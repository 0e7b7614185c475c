// fanout: N subscribers and one publisher. A tick is `batch` messages sent in one system call, so that the server has them
// in one turn of its loop; the next tick begins when every delivery of the former has arrived, or when it is due at a rate.

#include <algorithm>
#include <cstdio>

#include "bench/client.hpp"
#include "bench/histogram.hpp"
#include "bench/pacer.hpp"
#include "bench/payload.hpp"
#include "bench/scenario.hpp"
#include "bench/window.hpp"

namespace sluice::load {

namespace {

constexpr uint64_t kSettleNs = 200'000'000;  // between the last subscription and the first tick
constexpr uint64_t kTicksInFlight = 256;     // open loop: bounds what a stalled server is owed

class Fanout final : public Scenario {
 public:
  void start(Client& client) override {
    payload_ = std::make_unique<Payload>(client.options().size);
    client.open_up_to(client.options().connections);
  }

  std::string path_of(const Client& client, uint32_t index) const override {
    return index == client.options().connections ? "/publish" : client.options().path;
  }

  void on_open(Client& client, Conn&) override {
    if (client.open_count() == client.options().connections) return client.open_up_to(client.options().connections + 1);
    if (client.open_count() > client.options().connections) begin_ns_ = client.now_ns() + kSettleNs;
  }

  void on_message(Client& client, Conn& conn, const Frame& frame) override {
    if (!payload_->matches(frame.payload, frame.length, 0, conn.received)) {
      return client.fail("subscriber " + std::to_string(conn.index) + ": delivery " + std::to_string(conn.received) +
                         " is not the message that was published (lost, doubled, reordered or changed)");
    }
    uint64_t tick = conn.received / client.options().batch;
    ++conn.received;
    ++deliveries_;
    if (window_.measuring()) {
      ++measured_;
      latency_.record(client.now_ns() - due_of(client, tick));
    }
  }

  uint64_t on_turn(Client& client, uint64_t now_ns) override {
    const Options& options = client.options();
    if (begin_ns_ == 0) return kNever;
    if (window_.phase() == Window::Phase::kBefore) {
      if (now_ns < begin_ns_) return begin_ns_;
      window_.begin(options, now_ns);
      if (options.rate > 0) pacer_.start(options.rate, now_ns);
    }
    window_.update(options, now_ns);
    uint64_t owed = ticks_ * options.batch * options.connections;
    if (window_.over()) {
      if (deliveries_ == owed) client.finish();
      return kNever;
    }
    if (options.rate == 0) {
      if (deliveries_ == owed) publish_tick(client, now_ns);
      return window_.next_change_ns();
    }
    while (pacer_.is_due(now_ns)) {
      if (owed - deliveries_ > kTicksInFlight * options.batch * options.connections) return window_.next_change_ns();
      publish_tick(client, pacer_.take());
      client.flush();
      owed = ticks_ * options.batch * options.connections;
    }
    return std::min(window_.next_change_ns(), pacer_.next_due_ns());
  }

  std::string progress(const Client&, double seconds) override {
    char line[96];
    std::snprintf(line, sizeof line, "%.0f deliveries/s, p99 %.0f us", static_cast<double>(deliveries_ - reported_) / seconds,
                  static_cast<double>(latency_.value_at(0.99)) / 1e3);
    reported_ = deliveries_;
    return line;
  }

  void report(const Client&, JsonObject& out) const override {
    out.number("ticks", ticks_);
    window_.report(out, measured_);
    out.raw("latency", latency_.json());
  }

 private:
  uint64_t due_of(const Client& client, uint64_t tick) const noexcept {
    return client.options().rate > 0 ? pacer_.due_ns(tick) : tick_ns_;
  }

  void publish_tick(Client& client, uint64_t now_ns) {
    const Options& options = client.options();
    Conn& publisher = client.conn(options.connections);
    for (uint32_t i = 0; i < options.batch; ++i) {
      payload_->write(client.begin_message(publisher, options.size), 0, publisher.sent++);
      client.commit_message(options.text ? kText : kBinary, options.size);
    }
    ++ticks_;
    tick_ns_ = now_ns;
  }

  std::unique_ptr<Payload> payload_;
  Window window_;
  Pacer pacer_;
  Histogram latency_;
  uint64_t begin_ns_ = 0;
  uint64_t ticks_ = 0;
  uint64_t tick_ns_ = 0;
  uint64_t deliveries_ = 0;
  uint64_t measured_ = 0;
  uint64_t reported_ = 0;
};

}  // namespace

std::unique_ptr<Scenario> make_fanout() { return std::make_unique<Fanout>(); }

}  // namespace sluice::load
