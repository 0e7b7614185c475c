#include "test/ws/frame_fixture.hpp"

namespace sluice::ws::test {

TEST_CASE("a close frame carries a code and a reason, or neither (5.5.1)", "[ws][close]") {
  check_stream(frame(0x88, ""), {close_event(kCloseNoStatus)});
  check_stream(close(1000), {close_event(1000)});
  check_stream(close(1001, "going \xe2\x86\x92"), {close_event(1001, "going \xe2\x86\x92")});
  check_stream(close(4999, std::string(123, 'r')), {close_event(4999, std::string(123, 'r'))});
}

TEST_CASE("a close frame of one byte is refused (5.5.1)", "[ws][close]") {
  check_stream(frame(0x88, "\x03"), {error_event(1002)});
}

TEST_CASE("a close frame may stand inside a fragmented message", "[ws][close]") {
  check_stream(frame(0x01, "half") + close(1000), {close_event(1000)});
}

TEST_CASE("exactly the codes of 7.4 may stand on the wire", "[ws][close]") {
  for (uint32_t code = 0; code <= 0xffff; ++code) {
    const bool expected = (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999);
    REQUIRE(close_code_valid(static_cast<uint16_t>(code)) == expected);
  }
  for (const uint32_t code : {0u, 999u, 1004u, 1005u, 1006u, 1015u, 1016u, 1100u, 2000u, 2999u, 5000u, 65535u}) {
    check_stream(close(code), {error_event(1002)});
  }
  for (const uint16_t code : std::initializer_list<uint16_t>{1000, 1003, 1007, 1014, 3000, 4999}) {
    check_stream(close(code), {close_event(code)});
  }
}

TEST_CASE("a close reason must be whole UTF-8 (5.5.1)", "[ws][close]") {
  check_stream(close(1000, "\xff"), {error_event(1007)});
  check_stream(close(1000, "half \xe2\x82"), {error_event(1007)});
  check_stream(close(1000, "\xed\xa0\x80"), {error_event(1007)});
}

}  // namespace sluice::ws::test
