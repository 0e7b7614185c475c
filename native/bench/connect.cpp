// connect: N connections that open, close with 1000 and open again, as fast as the server lets them.

#include <cstdio>

#include "bench/client.hpp"
#include "bench/histogram.hpp"
#include "bench/scenario.hpp"
#include "bench/window.hpp"

namespace sluice::load {

namespace {

constexpr uint32_t kClosingByUs = 1;  // Conn::role

class Connect final : public Scenario {
 public:
  void start(Client& client) override {
    window_.begin(client.options(), client.now_ns());
    client.open_up_to(client.options().connections);
  }

  void on_open(Client& client, Conn& conn) override {
    opening_.record(client.now_ns() - conn.started_ns);
    ++opened_;
    if (window_.measuring()) ++measured_;
    conn.role = kClosingByUs;
    client.send_close(conn, 1000);
  }

  void on_message(Client&, Conn&, const Frame&) override {}

  void on_lost(Client& client, Conn& conn, const Loss& loss) override {
    bool asked_for = conn.role == kClosingByUs && loss.kind == LossKind::kClosedByPeer;
    if (!asked_for) return Scenario::on_lost(client, conn, loss);
    conn.role = 0;
    ++closed_;
    if (!window_.over()) client.reopen(conn.index);
  }

  uint64_t on_turn(Client& client, uint64_t now_ns) override {
    window_.update(client.options(), now_ns);
    if (window_.over() && client.open_count() == 0 && client.in_progress() == 0) client.finish();
    return window_.next_change_ns();
  }

  std::string progress(const Client&, double seconds) override {
    char line[96];
    std::snprintf(line, sizeof line, "%.0f openings/s", static_cast<double>(opened_ - reported_) / seconds);
    reported_ = opened_;
    return line;
  }

  void report(const Client&, JsonObject& out) const override {
    out.number("closed", closed_);
    window_.report(out, measured_);
    out.raw("latency", opening_.json());
  }

 private:
  Window window_;
  Histogram opening_;
  uint64_t opened_ = 0;
  uint64_t closed_ = 0;
  uint64_t measured_ = 0;
  uint64_t reported_ = 0;
};

}  // namespace

std::unique_ptr<Scenario> make_connect() { return std::make_unique<Connect>(); }

}  // namespace sluice::load
