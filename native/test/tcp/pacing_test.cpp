#include <catch2/catch.hpp>

#include "sim/tcp/link.hpp"

using namespace sluice;
using namespace sluice::tcp::sim;

namespace {

// 200 Mbit/s at a distance of 50 ms, as in bench/wire/goodput.ts: 863 segments fill the path, 350 more its queue.
struct LongPath {
  LongPath() : link(options(), options()) {
    link.delay_us = 25'000;
    link.us_per_kib = 41;
    link.queue_us = 20'480;
    id = link.open();
  }
  static HostOptions options() {
    HostOptions out;
    out.packets = 32'768;
    out.tcp.receive_window_max = 16u << 20;
    return out;
  }
  // Until the congestion window is as large as the path, which no loss has made smaller.
  void fill() {
    for (uint32_t i = 0; i < 1'000; ++i) {
      if (link.a.app(id).to_send.size() < (4u << 20)) link.a.send(id, std::string(1u << 18, 'x'));
      link.run(1'000);
      link.b.app(link.peer()).received.clear();
    }
    link.run_until([&] { return link.b.app(link.peer()).received.size() != 0 && link.a.app(id).to_send.empty() && info().in_flight == 0; });
    link.b.app(link.peer()).received.clear();
    REQUIRE(info().cwnd > 863 * info().mss);
    REQUIRE(retransmits() == 0);
  }
  tcp::ConnectionInfo info() {
    tcp::ConnectionInfo out;
    REQUIRE(link.a.driver->describe(id, out));
    return out;
  }
  uint64_t retransmits() const { return link.a.driver->tcp_counters().retransmits; }

  Link link;
  StreamId id = kNoStream;
};

}  // namespace

TEST_CASE("tcp: a window that stood open is not sent at once (RFC 9002 7.7)", "[tcp]") {
  LongPath path;
  path.fill();
  const uint64_t begin_us = path.link.now_us;
  path.link.a.send(path.id, std::string(2u << 20, 'y'));
  path.link.run_until([&] { return path.link.b.app(path.link.peer()).received.size() == 2u << 20; });
  CHECK(path.retransmits() == 0);
  // The link itself takes 84 ms for it.
  CHECK(path.link.now_us - begin_us < 135'000);
}
