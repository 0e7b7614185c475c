#include "tcp/tcp_driver.hpp"

#include <catch2/catch.hpp>

using namespace sluice;

TEST_CASE("tcp: options stand for what the RFCs ask for unless told otherwise", "[tcp]") {
  const tcp::TcpOptions options;
  CHECK(options.delayed_ack_ms < 500);              // RFC 9293 §3.8.6.3
  CHECK(options.keepalive_idle_ms == 0);            // RFC 9293 §3.8.4: off by default
  CHECK(options.rto_max_ms >= 60'000);              // RFC 6298 §2.5
  CHECK(options.port_first >= 49'152);              // RFC 6335 §6
}
