// echo: N connections with D messages in flight each; every reply is compared with what was sent, in order.

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

class Echo final : public Scenario {
 public:
  void start(Client& client) override {
    const Options& options = client.options();
    payload_ = std::make_unique<Payload>(options.size);
    sent_at_.resize(static_cast<size_t>(options.connections) * options.depth);
    client.open_up_to(options.connections);
  }

  void on_open(Client& client, Conn&) override {
    const Options& options = client.options();
    if (client.open_count() < options.connections) return;
    open_s_ = static_cast<double>(client.now_ns() - first_ns_) / 1e9;
    window_.begin(options, client.now_ns());
    if (options.rate > 0) return pacer_.start(options.rate, client.now_ns());
    for (uint32_t i = 0; i < options.connections; ++i) {
      for (uint32_t d = 0; d < options.depth; ++d) send_one(client, client.conn(i), client.now_ns());
    }
  }

  void on_message(Client& client, Conn& conn, const Frame& frame) override {
    const Options& options = client.options();
    if (!payload_->matches(frame.payload, frame.length, conn.index, conn.received)) {
      return client.fail("connection " + std::to_string(conn.index) + ": reply " + std::to_string(conn.received) +
                         " is not what was sent (wrong order, bytes or length)");
    }
    uint64_t sent_ns = sent_at_[static_cast<size_t>(conn.index) * options.depth + conn.received % options.depth];
    ++conn.received;
    ++replies_;
    if (window_.measuring()) {
      ++measured_;
      latency_.record(client.now_ns() - sent_ns);
    }
    if (options.rate == 0 && !window_.over()) send_one(client, conn, client.now_ns());
  }

  uint64_t on_turn(Client& client, uint64_t now_ns) override {
    if (first_ns_ == 0) first_ns_ = now_ns;
    const Options& options = client.options();
    window_.update(options, now_ns);
    if (window_.over()) {
      if (replies_ == requests_) client.finish();
      return kNever;
    }
    if (options.rate == 0 || window_.phase() == Window::Phase::kBefore) return window_.next_change_ns();
    while (pacer_.is_due(now_ns)) {
      Conn& conn = client.conn(static_cast<uint32_t>(pacer_.taken() % options.connections));
      // A full connection holds the schedule up; what waits keeps its due time.
      if (conn.sent - conn.received >= options.depth) return window_.next_change_ns();
      send_one(client, conn, pacer_.take());
    }
    return std::min(window_.next_change_ns(), pacer_.next_due_ns());
  }

  std::string progress(const Client&, double seconds) override {
    char line[96];
    std::snprintf(line, sizeof line, "%.0f messages/s, p99 %.0f us", static_cast<double>(replies_ - reported_) / seconds,
                  static_cast<double>(latency_.value_at(0.99)) / 1e3);
    reported_ = replies_;
    return line;
  }

  void report(const Client&, JsonObject& out) const override {
    out.number("open_s", open_s_);
    window_.report(out, measured_);
    out.raw("latency", latency_.json());
  }

 private:
  void send_one(Client& client, Conn& conn, uint64_t due_ns) {
    const Options& options = client.options();
    sent_at_[static_cast<size_t>(conn.index) * options.depth + conn.sent % options.depth] = due_ns;
    payload_->write(client.begin_message(conn, options.size), conn.index, conn.sent);
    client.commit_message(options.text ? kText : kBinary, options.size);
    ++conn.sent;
    ++requests_;
  }

  std::unique_ptr<Payload> payload_;
  std::vector<uint64_t> sent_at_;
  Window window_;
  Pacer pacer_;
  Histogram latency_;
  uint64_t first_ns_ = 0;
  double open_s_ = 0;
  uint64_t requests_ = 0;
  uint64_t replies_ = 0;
  uint64_t measured_ = 0;
  uint64_t reported_ = 0;
};

}  // namespace

std::unique_ptr<Scenario> make_echo() { return std::make_unique<Echo>(); }

}  // namespace sluice::load
