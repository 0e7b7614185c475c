#include <catch2/catch.hpp>

#include <cstring>
#include <vector>

#include "sim/net/wire_checker.hpp"
#include "sim/script/encode.hpp"
#include "sim/script/fields.hpp"

namespace sluice::sim {
namespace {

// A conversation written by hand: A opens to B, and the checker sees what A puts on the wire and is given.
class Observed {
 public:
  Observed() {
    script::read_address("10.0.0.1", a_.peer);
    script::read_address("10.0.0.2", a_.stack);
    state_.remote_port = 40'000;
    state_.local_port = 80;
    state_.has_iss = true;
  }

  // From A, whose numbers begin at 1000; and to A, from B with numbers that begin at 5000.
  void sent(const char* text) {
    const std::vector<uint8_t> bytes = frame(text, false);
    checker.sent(0, 0, bytes.data(), static_cast<uint32_t>(bytes.size()));
  }
  void delivered(const char* text) {
    const std::vector<uint8_t> bytes = frame(text, true);
    checker.delivered(0, bytes.data(), static_cast<uint32_t>(bytes.size()));
  }
  void open(const char* syn_window = "60000") {
    sent((std::string("S 1000 win ") + syn_window + " <mss 1000,sackOK,ts 50/0,wscale 2>").c_str());
    delivered("S. 5000 ack 1001 win 4000 <mss 500,sackOK,ts 900/50,wscale 3>");
    sent(". 1001 ack 5001 win 16000 <ts 51/900>");
  }
  std::string rule() const {
    if (checker.findings().empty()) return "";
    UNSCOPED_INFO(checker.findings()[0].what);
    return checker.findings()[0].rule;
  }

  WireChecker checker;

 private:
  std::vector<uint8_t> frame(const char* text, bool reverse) {
    script::Script script;
    std::string error;
    REQUIRE(script::parse("-", std::string("+0 < ") + text, script, error));
    script::Link link = a_;
    script::ConnectionState state = state_;
    if (reverse) {
      std::swap(link.peer, link.stack);
      std::swap(state.remote_port, state.local_port);
    }
    state.peer_isn = reverse ? 5'000 : 1'000;
    const auto frames = script::encode(script.statements[0].packet, link, state, error);
    INFO(error);
    REQUIRE(frames.size() == 1);
    return frames[0];
  }

  script::Link a_;
  script::ConnectionState state_;
};

TEST_CASE("wire checker: an ordinary conversation breaks no rule", "[sim]") {
  Observed wire;
  wire.open();
  wire.sent("P. 1001:1301(300) ack 5001 win 16000 <ts 51/900>");
  wire.delivered("P. 5101:5201(100) ack 1301 win 500 <ts 901/51>");
  wire.sent(". 1301 ack 5001 win 16000 <ts 52/900,sack 5101:5201>");
  wire.delivered("P. 5001:5101(100) ack 1301 win 500 <ts 901/51>");
  wire.sent(". 1301 ack 5201 win 15950 <ts 52/901>");
  wire.sent("P. 1001:1301(300) ack 5201 win 15950 <ts 60/901>");
  wire.delivered("F. 5201 ack 1301 win 500 <ts 905/60>");
  wire.sent("F. 1301 ack 5202 win 15950 <ts 61/905>");
  wire.sent("F. 1301 ack 5202 win 15950 <ts 90/905>");
  CHECK(wire.rule() == "");
  CHECK(wire.checker.segments() == 8);
}

TEST_CASE("wire checker: every rule sees what breaks it", "[sim]") {
  const struct {
    const char* rule;
    std::vector<const char*> segments;  // '<' in front: delivered
  } cases[] = {
      {"ack", {". 1001 ack 5002 win 16000 <ts 52/900>"}},
      {"ack", {"<. 5101:5201(100) ack 1001 win 500 <ts 901/51>", ". 1001 ack 5201 win 16000 <ts 52/900>"}},
      {"ack", {"<. 5001:5101(100) ack 1001 win 500 <ts 901/51> checksum=bad", ". 1001 ack 5101 win 16000 <ts 52/900>"}},
      {"ack-back",
       {"<. 5001:5101(100) ack 1001 win 500 <ts 901/51>", ". 1001 ack 5101 win 16000 <ts 52/901>",
        ". 1001 ack 5051 win 16100 <ts 52/901>"}},
      {"window-shrunk", {". 1001 ack 5001 win 15999 <ts 52/900>", ". 1001 ack 5001 win 15000 <ts 52/900>"}},
      {"retransmit-bytes",
       {"P. 1001:1101(100) ack 5001 win 16000 <ts 51/900>", "P. 1001:1101(100) ack 5001 win 16000 <ts 51/900> data=other"}},
      {"sequence", {"P. 5101:5201(100) ack 5001 win 16000 <ts 51/900>"}},
      {"data-after-fin", {"F. 1001 ack 5001 win 16000 <ts 51/900>", "P. 1001:1101(100) ack 5001 win 16000 <ts 51/900>"}},
      {"fin-moved", {"P. 1001:1101(100) ack 5001 win 16000 <ts 51/900>", "F. 1051 ack 5001 win 16000 <ts 51/900>"}},
      {"timestamps", {". 1001 ack 5001 win 16000 <ts 49/900>"}},
      {"timestamps", {". 1001 ack 5001 win 16000 <ts 52/901>"}},
      {"timestamps", {". 1001 ack 5001 win 16000"}},
      {"mss", {"P. 1001:1490(489) ack 5001 win 16000 <ts 51/900>"}},
      {"sack", {". 1001 ack 5001 win 16000 <ts 52/900,sack 5101:5201>"}},
      {"checksum", {". 1001 ack 5001 win 16000 <ts 52/900> checksum=bad"}},
      {"options", {". 1001 ack 5001 win 16000 <ts 52/900,wscale 2>"}},
      {"after-reset", {"R. 1001 ack 5001 win 0", ". 1001 ack 5001 win 16000 <ts 52/900>"}},
      {"ack-flag", {"P 1001:1101(100) win 16000 <ts 52/900>"}},
      {"syn-data", {"S 1000:1010(10) win 16000 <mss 1000>"}},
  };
  for (const auto& each : cases) {
    Observed wire;
    wire.open();
    REQUIRE(wire.rule() == "");
    for (const char* const text : each.segments) {
      INFO(text);
      if (text[0] == '<') {
        wire.delivered(text + 1);
      } else {
        wire.sent(text);
      }
    }
    CHECK(wire.rule() == each.rule);
  }
}

TEST_CASE("wire checker: the peer's window is the largest right edge that it ever told", "[sim]") {
  Observed wire;
  wire.open();
  // 4,000 bytes from the SYN-ACK, which is never scaled; then 8 times 600 from the first byte on.
  for (uint32_t at = 0; at < 4'000; at += 400) {
    wire.sent(("P. " + std::to_string(1'001 + at) + ":" + std::to_string(1'401 + at) + "(400) ack 5001 win 16000 <ts 51/900>").c_str());
  }
  CHECK(wire.rule() == "");
  wire.delivered(". 5001 ack 1401 win 500 <ts 900/51>");
  wire.sent("P. 5001:5401(400) ack 5001 win 16000 <ts 51/900>");
  CHECK(wire.rule() == "");
  wire.sent("P. 5401:5402(1) ack 5001 win 16000 <ts 51/900>");
  CHECK(wire.rule() == "window");
}

TEST_CASE("wire checker: of several answers to a SYN the first counts, and of its copies the newest timestamp", "[sim]") {
  Observed wire;
  wire.sent("S 1000 win 60000 <mss 1000,sackOK,ts 50/0,wscale 2>");
  wire.delivered("S. 5000 ack 1001 win 4000 <mss 500,sackOK,ts 902/50,wscale 3>");
  // Overtaken by the one above; and from another opening of the same host.
  wire.delivered("S. 5000 ack 1001 win 4000 <mss 500,sackOK,ts 900/50,wscale 3>");
  wire.delivered("S. 7000 ack 1001 win 4000 <mss 400,sackOK,ts 903/50,wscale 3>");
  SECTION("of the first") {
    wire.sent(". 1001 ack 5001 win 16000 <ts 51/902>");
    CHECK(wire.rule() == "");
    wire.sent(". 1001 ack 5001 win 16000 <ts 51/903>");
    CHECK(wire.rule() == "timestamps");
  }
  SECTION("of another") {
    wire.sent(". 1001 ack 7001 win 16000 <ts 51/902>");
    CHECK(wire.rule() == "ack");
  }
}

TEST_CASE("wire checker: what a SYN was answered with twice is told apart by the numbers", "[sim]") {
  Observed wire;
  wire.delivered("S 5000 win 4000 <mss 500>");
  wire.sent("S. 1000 ack 5001 win 60000 <mss 1000>");
  wire.sent("S. 90001000 ack 5001 win 60000 <mss 1000>");
  wire.delivered("P. 5001:5101(100) ack 1001 win 4000");
  wire.sent(". 1001 ack 5101 win 60000");
  CHECK(wire.rule() == "");
  wire.sent(". 40001001 ack 5101 win 60000");
  CHECK(wire.rule() == "sequence");
}

TEST_CASE("wire checker: a late copy of a SYN may be answered with the same number once the connection is over", "[sim]") {
  Observed wire;
  wire.delivered("S 5000 win 4000 <mss 500>");
  wire.sent("S. 1000 ack 5001 win 60000 <mss 1000>");
  wire.delivered("F. 5001 ack 1001 win 4000");
  wire.sent("F. 1001 ack 5002 win 60000");
  SECTION("over") {
    wire.delivered(". 5002 ack 1002 win 4000");
    wire.sent("S. 1000 ack 5001 win 60000 <mss 1000>");
    CHECK(wire.rule() == "");
  }
  SECTION("not over: the FIN is not acknowledged") {
    wire.sent("S. 1000 ack 5001 win 60000 <mss 1000>");
    CHECK(wire.rule() == "ack-back");
  }
}

TEST_CASE("wire checker: a reset that came ends nothing before its host has caught up", "[sim]") {
  Observed wire;
  wire.delivered("S 5000 win 4000 <mss 500>");
  wire.sent("S. 1000 ack 5001 win 60000 <mss 1000>");
  wire.delivered("P. 5001:5101(100) ack 1001 win 4000");
  wire.delivered("R. 5101 ack 1001 win 0");
  SECTION("what it sent before leaves later") {
    wire.sent("S. 1000 ack 5001 win 60000 <mss 1000>");
    wire.sent(". 1001 ack 5101 win 60000");
    CHECK(wire.rule() == "");
  }
  SECTION("a second opening with the same numbers behind that") {
    wire.sent(". 1001 ack 5101 win 60000");
    wire.sent("S. 1000 ack 5001 win 60000 <mss 1000>");
    CHECK(wire.rule() == "");
    wire.sent(". 1001 ack 5101 win 60000");
    CHECK(wire.rule() == "ack");
  }
  SECTION("a second opening with the same numbers") {
    wire.checker.caught_up(0);
    wire.sent("S. 1000 ack 5001 win 60000 <mss 1000>");
    CHECK(wire.rule() == "");
    wire.sent(". 1001 ack 5101 win 60000");
    CHECK(wire.rule() == "ack");
  }
}

TEST_CASE("wire checker: what SACK reports has left the network, and more than that does not follow", "[sim]") {
  Observed wire;
  wire.open();
  wire.delivered(". 5001 ack 1001 win 8000 <ts 900/51>");
  const auto send = [&](uint32_t from, uint32_t to) {
    for (uint32_t at = from; at < to; at += 400) {
      wire.sent(("P. " + std::to_string(1'001 + at) + ":" + std::to_string(1'401 + at) + "(400) ack 5001 win 16000 <ts 51/900>").c_str());
    }
  };
  send(0, 14'400);
  wire.delivered(". 5001 ack 1001 win 8000 <ts 900/51,sack 5001:15401>");
  send(14'400, 14'400 + 10'400);
  CHECK(wire.rule() == "");
  send(24'800, 24'800 + 2'400);
  CHECK(wire.rule() == "initial-window");
}

TEST_CASE("wire checker: a zero window is probed with one byte and no more", "[sim]") {
  Observed wire;
  wire.open();
  for (uint32_t at = 0; at < 4'000; at += 400) {
    wire.sent(("P. " + std::to_string(1'001 + at) + ":" + std::to_string(1'401 + at) + "(400) ack 5001 win 16000 <ts 51/900>").c_str());
  }
  wire.delivered(". 5001 ack 5001 win 0 <ts 900/51>");
  wire.sent(". 5001:5002(1) ack 5001 win 16000 <ts 51/900>");
  CHECK(wire.rule() == "");
  wire.sent(". 5001:5003(2) ack 5001 win 16000 <ts 51/900>");
  CHECK(wire.rule() == "window");
}

TEST_CASE("wire checker: equal traces have equal hashes, others do not", "[sim]") {
  Observed one;
  Observed same;
  Observed other;
  one.open();
  same.open();
  other.open("59999");
  CHECK(one.checker.trace_hash() == same.checker.trace_hash());
  CHECK(one.checker.trace_hash() != other.checker.trace_hash());
}

}  // namespace
}  // namespace sluice::sim
