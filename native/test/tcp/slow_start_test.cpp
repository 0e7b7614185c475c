#include <catch2/catch.hpp>

#include "sim/tcp/link.hpp"

using namespace sluice;
using namespace sluice::tcp::sim;

namespace {

constexpr uint32_t kNoThreshold = 1u << 29;

// 200 Mbit/s at a distance of 50 ms, as in bench/wire/goodput.ts: 863 segments fill the path, 350 more its queue.
struct LongPath {
  explicit LongPath(uint64_t queue_us) : link(options(), options()) {
    link.delay_us = 25'000;
    link.us_per_kib = 41;
    link.queue_us = queue_us;
    id = link.open();
  }
  static HostOptions options() {
    HostOptions out;
    out.packets = 32'768;
    out.tcp.receive_window_max = 16u << 20;
    return out;
  }
  // Writes so many bytes every millisecond, and reads what comes.
  void write_for(uint32_t ms, uint32_t bytes) {
    for (uint32_t i = 0; i < ms; ++i) {
      if (link.a.app(id).to_send.size() < (4u << 20)) link.a.send(id, std::string(bytes, 'x'));
      link.run(1'000);
      link.b.app(link.peer()).received.clear();
    }
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

TEST_CASE("tcp: slow start ends when acknowledgements come without a gap, before a short queue is full (RFC 9438 4.10)", "[tcp]") {
  LongPath path(20'480);
  path.write_for(1'000, 1u << 18);
  const tcp::ConnectionInfo info = path.info();
  CHECK(path.retransmits() == 0);
  CHECK(info.ssthresh < 1'213 * info.mss);
  CHECK(info.cwnd >= 863 * info.mss);
  // The link is full from then on.
  const uint64_t before = path.link.a.driver->counters().bytes_sent;
  path.write_for(1'000, 1u << 18);
  CHECK(path.link.a.driver->counters().bytes_sent - before > 23'000'000);
  CHECK(path.retransmits() == 0);
}

TEST_CASE("tcp: acknowledgements that come as the application writes do not end slow start (RFC 9438 4.10)", "[tcp]") {
  LongPath path(20'480);
  path.write_for(2'000, 4'000);
  CHECK(path.info().ssthresh >= kNoThreshold);
  CHECK(path.retransmits() == 0);
}

TEST_CASE("tcp: a window is a quarter larger than a steady stream that shows what the path takes (RFC 7661 4.3)", "[tcp]") {
  LongPath path(20'480);
  // Never more than the window lets go.
  for (uint32_t bytes = 250; bytes < 8'000; bytes += bytes / 8) path.write_for(100, bytes);
  const tcp::ConnectionInfo info = path.info();
  CHECK(info.ssthresh >= kNoThreshold);
  CHECK(info.cwnd >= info.in_flight);
  CHECK(info.cwnd < info.in_flight + info.in_flight / 2);
}
