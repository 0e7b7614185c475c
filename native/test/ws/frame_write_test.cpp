#include <catch2/catch.hpp>
#include <string>

#include "sim/ws/utf8_oracle.hpp"
#include "ws/frame.hpp"

namespace sluice::ws {
namespace {

std::string header(Opcode opcode, uint64_t length) {
  uint8_t out[kMaxServerHeader];
  const uint32_t size = write_frame_header(out, opcode, length);
  return {reinterpret_cast<char*>(out), size};
}

std::string close_frame(uint16_t code, const std::string& reason) {
  uint8_t out[127];
  const uint32_t size = write_close_frame(out, code, reason.data(), static_cast<uint32_t>(reason.size()));
  REQUIRE(size <= sizeof out);
  return {reinterpret_cast<char*>(out), size};
}

}  // namespace

TEST_CASE("a frame header has the shortest length form and no mask (5.1, 5.2)", "[ws][write]") {
  CHECK(header(Opcode::kText, 5) == std::string("\x81\x05", 2));
  CHECK(header(Opcode::kPong, 125) == std::string("\x8a\x7d", 2));
  CHECK(header(Opcode::kBinary, 126) == std::string("\x82\x7e\x00\x7e", 4));
  CHECK(header(Opcode::kBinary, 65535) == std::string("\x82\x7e\xff\xff", 4));
  CHECK(header(Opcode::kBinary, 65536) == std::string("\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00", 10));
}

TEST_CASE("a close frame without a status is empty", "[ws][write]") {
  CHECK(close_frame(0, "ignored") == std::string("\x88\x00", 2));
  CHECK(close_frame(kCloseNoStatus, "ignored") == std::string("\x88\x00", 2));
}

TEST_CASE("a close frame carries its code in network order", "[ws][write]") {
  CHECK(close_frame(1000, "") == std::string("\x88\x02\x03\xe8", 4));
  CHECK(close_frame(4001, "taken over") == std::string("\x88\x0c\x0f\xa1taken over", 14));
}

TEST_CASE("a long close reason is cut between characters", "[ws][write]") {
  for (size_t lead = 0; lead < 8; ++lead) {
    for (const char* character : {"a", "\xc3\xa9", "\xe4\xb8\xad", "\xf0\x9f\x98\x80"}) {
      std::string reason(lead, 'a');
      while (reason.size() < 200) reason += character;
      const std::string kept = close_frame(1011, reason).substr(4);
      REQUIRE(kept.size() > 123 - 4);
      REQUIRE(kept.size() <= 123);
      REQUIRE(reason.starts_with(kept));
      REQUIRE(sim::utf8_oracle(kept) == sim::Utf8Verdict::kWhole);
    }
  }
}

}  // namespace sluice::ws
