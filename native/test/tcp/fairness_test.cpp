#include <catch2/catch.hpp>

#include <cmath>

#include "base/prng.hpp"
#include "sim/tcp/link.hpp"

using namespace sluice;
using namespace sluice::tcp::sim;

namespace {

constexpr double kRttS = 0.020;
constexpr double kSegmentBytes = 1448;

// The mean window, in segments, that a sender makes of a path that loses one in so many segments, whatever it does: goodput times
// the round trip, while neither the application nor the receiver holds it back.
double mean_window(tcp::Congestion congestion, uint32_t one_in, uint64_t seed) {
  HostOptions options;
  options.tcp.congestion = congestion;
  Link link(options);
  link.delay_us = static_cast<uint64_t>(kRttS * 500'000);
  const StreamId id = link.open();
  Prng random(seed);
  link.a_to_b = [&](WireSegment&) { return random.below(one_in) != 0; };
  const std::string some(1u << 20, 'x');
  const auto run_for = [&](uint64_t us) {
    const uint64_t end = link.now_us + us;
    while (link.now_us < end) {
      if (link.a.app(id).to_send.size() < some.size()) link.a.send(id, some);
      link.run(100'000);
      link.b.app(link.peer()).received.clear();
    }
  };
  run_for(3'000'000);  // what slow start brought is over
  const uint64_t before = link.a.driver->counters().bytes_sent;
  constexpr uint64_t kMeasuredUs = 60'000'000;
  run_for(kMeasuredUs);
  const double bytes = static_cast<double>(link.a.driver->counters().bytes_sent - before);
  return bytes / (kMeasuredUs / 1e6) * kRttS / kSegmentBytes;
}

}  // namespace

TEST_CASE("tcp: random loss leaves a sender the window of Reno's response function, no more (RFC 9438 4.3 and 5.1)", "[tcp]") {
  for (const uint32_t one_in : {30u, 100u, 300u}) {
    // RFC 5348 §3.1 and Mathis et al. 1997, where a loss halves the window and one round trip grows it by a segment. Below a handful
    // of segments time-outs take their part.
    const double reno = std::sqrt(1.5 * one_in);
    const double cubic = mean_window(tcp::Congestion::kCubic, one_in, one_in);
    const double newreno = mean_window(tcp::Congestion::kNewReno, one_in, one_in);
    INFO("one in " << one_in << ": CUBIC " << cubic << ", NewReno " << newreno << ", by the formula " << reno);
    CHECK(cubic > 0.6 * reno);
    CHECK(cubic < 1.25 * reno);
    CHECK(newreno > 0.6 * reno);
    CHECK(newreno < 1.25 * reno);
    CHECK(cubic < 1.3 * newreno);
  }
}
