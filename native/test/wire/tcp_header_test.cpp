#include <catch2/catch.hpp>

#include "wire/tcp.hpp"
#include "wire/tcp_options.hpp"

using namespace sluice;
using namespace sluice::wire;

TEST_CASE("a TCP header reads as it was written", "[wire]") {
  uint8_t header[60] = {};
  TcpView::write(header, {.source_port = 443, .target_port = 50'000, .seq = 0xfffffff0, .ack = 7, .window = 0x8000, .header_bytes = 32,
                          .flags = kAck | kPsh});
  const auto view = TcpView::parse(header, 32);
  REQUIRE(view);
  CHECK(view->source_port() == 443);
  CHECK(view->target_port() == 50'000);
  CHECK(view->seq() == 0xfffffff0);
  CHECK(view->ack() == 7);
  CHECK(view->window() == 0x8000);
  CHECK(view->flags() == (kAck | kPsh));
  CHECK(view->options_bytes() == 12);
  CHECK((TcpView::fits(header, 32) && !TcpView::fits(header, 31)));
  CHECK_FALSE(TcpView::parse(header, 31));
  header[12] = 0x40;
  CHECK_FALSE(TcpView::parse(header, 60));
}

TEST_CASE("options read as they were written", "[wire]") {
  uint8_t bytes[40];
  TcpOptionWriter writer(bytes);
  writer.mss(1460);
  writer.sack_permitted();
  writer.timestamp(0x11223344, 0x55667788);
  writer.window_shift(9);
  TcpOptions syn;
  REQUIRE(parse_tcp_options(bytes, writer.bytes(), syn));
  CHECK(syn.mss == 1460);
  CHECK(syn.sack_permitted);
  CHECK((syn.has_window_shift && syn.window_shift == 9));
  CHECK((syn.has_timestamp && syn.timestamp == 0x11223344 && syn.timestamp_echo == 0x55667788));

  TcpOptionWriter second(bytes);
  second.timestamp(1, 2);
  const SackBlock blocks[] = {{100, 200}, {300, 400}, {0xffffff00, 50}};
  second.sacks(blocks, 3);
  CHECK(second.bytes() == 40);
  TcpOptions ack;
  REQUIRE(parse_tcp_options(bytes, second.bytes(), ack));
  REQUIRE(ack.sack_count == 3);
  CHECK(ack.sacks[2].begin == 0xffffff00);
  CHECK(ack.sacks[2].end == 50);
}

TEST_CASE("unknown options are skipped; a length that cannot be ends the reading (RFC 9293 §3.2)", "[wire]") {
  const uint8_t unknown[] = {254, 6, 1, 2, 3, 4, 2, 4, 5, 0xb4, 1, 0};
  TcpOptions options;
  REQUIRE(parse_tcp_options(unknown, sizeof unknown, options));
  CHECK(options.mss == 1460);
  for (const auto& bad : {std::vector<uint8_t>{2, 0, 5, 0xb4}, {2, 1, 5, 0xb4}, {1, 1, 1, 2}, {8, 10, 1, 1}}) {
    TcpOptions none;
    CHECK_FALSE(parse_tcp_options(bad.data(), static_cast<uint32_t>(bad.size()), none));
    CHECK(none.mss == 0);
  }
  // A known kind with another length than its own is not that option.
  const uint8_t odd[] = {3, 4, 7, 7, 4, 3, 1, 1};
  TcpOptions none;
  REQUIRE(parse_tcp_options(odd, sizeof odd, none));
  CHECK_FALSE(none.has_window_shift);
  CHECK_FALSE(none.sack_permitted);
}

TEST_CASE("a window shift above 14 counts as 14 (RFC 7323 §2.3)", "[wire]") {
  const uint8_t bytes[] = {1, 3, 3, 15};
  TcpOptions options;
  REQUIRE(parse_tcp_options(bytes, 4, options));
  CHECK(options.window_shift == 14);
}
