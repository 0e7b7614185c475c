// slowloris and neverread: clients that cost a server memory and give it nothing. They measure what the server does with
// them (the run does not fail when it cuts them off); the harness watches its memory and the others' latency meanwhile.

#include <algorithm>
#include <cstdio>

#include "bench/client.hpp"
#include "bench/scenario.hpp"
#include "bench/window.hpp"

namespace sluice::load {

namespace {

class HeldConnections : public Scenario {
 public:
  void start(Client& client) override {
    end_ns_ = client.now_ns() + static_cast<uint64_t>(client.options().hold_s * 1e9);
    client.open_up_to(client.options().connections);
  }

  void on_message(Client&, Conn&, const Frame&) override {}

  void on_lost(Client& client, Conn& conn, const Loss& loss) override {
    ++lost_;
    if (loss.kind == LossKind::kRefused) ++refused_;
    if (loss.kind == LossKind::kReset) ++reset_;
    double after = static_cast<double>(client.now_ns() - conn.started_ns) / 1e9;
    earliest_s_ = lost_ == 1 ? after : std::min(earliest_s_, after);
    latest_s_ = std::max(latest_s_, after);
  }

  uint64_t on_turn(Client& client, uint64_t now_ns) override {
    client.progressed();
    if (now_ns < end_ns_) return end_ns_;
    client.finish();
    return kNever;
  }

  std::string progress(const Client&, double) override { return std::to_string(lost_) + " cut off by the server"; }

  void report(const Client& client, JsonObject& out) const override {
    out.number("held", uint64_t{client.open_count()});
    out.number("cut_off", lost_);
    out.number("cut_off_with_answer", refused_);
    out.number("cut_off_by_reset", reset_);
    out.number("earliest_cut_s", earliest_s_);
    out.number("latest_cut_s", latest_s_);
  }

 private:
  uint64_t end_ns_ = 0;
  uint64_t lost_ = 0;
  uint64_t refused_ = 0;
  uint64_t reset_ = 0;
  double earliest_s_ = 0;
  double latest_s_ = 0;
};

class Slowloris final : public HeldConnections {
 public:
  bool on_connected(Client&, Conn&) override { return true; }
  void on_open(Client&, Conn&) override {}

  uint64_t on_turn(Client& client, uint64_t now_ns) override {
    uint64_t end = HeldConnections::on_turn(client, now_ns);
    if (now_ns >= next_ns_) {
      next_ns_ = now_ns + uint64_t{client.options().interval_ms} * 1'000'000u;
      for (uint32_t i = 0; i < client.options().connections; ++i) send_byte(client, client.conn(i));
    }
    return std::min(end, next_ns_);
  }

 private:
  static void send_byte(Client& client, Conn& conn) {
    if (!conn.raw || conn.fd < 0) return;
    // A head that never ends: one more header, again and again.
    constexpr std::string_view kStart = "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n";
    constexpr std::string_view kMore = "X-Slow: 1\r\n";
    char byte = conn.sent < kStart.size() ? kStart[conn.sent] : kMore[(conn.sent - kStart.size()) % kMore.size()];
    ++conn.sent;
    client.send_raw(conn, &byte, 1);
    client.flush();
  }

  uint64_t next_ns_ = 0;
};

class NeverRead final : public HeldConnections {
 public:
  void on_open(Client& client, Conn& conn) override {
    if (!client.options().subprotocol.empty()) {
      std::string sub = R"({"op":"sub","id":1,"channel":")" + client.options().channel + "\"}";
      client.send(conn, kText, reinterpret_cast<const uint8_t*>(sub.data()), sub.size());
      client.flush();
    }
    client.stop_reading(conn);
  }
};

}  // namespace

std::unique_ptr<Scenario> make_slowloris() { return std::make_unique<Slowloris>(); }
std::unique_ptr<Scenario> make_never_read() { return std::make_unique<NeverRead>(); }

}  // namespace sluice::load
