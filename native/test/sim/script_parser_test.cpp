#include <catch2/catch.hpp>

#include "sim/script/script.hpp"
#include "wire/tcp.hpp"

namespace sluice::sim::script {
namespace {

Statement one(const std::string& text) {
  Script script;
  std::string error;
  const bool good = parse("a.pkt", text, script, error);
  INFO(error);
  REQUIRE(good);
  REQUIRE(script.statements.size() == 1);
  return script.statements[0];
}

std::string refusal(const std::string& text) {
  Script script;
  std::string error;
  CHECK_FALSE(parse("a.pkt", text, script, error));
  return error;
}

TEST_CASE("script: a TCP packet to be sent", "[sim]") {
  const Statement read =
      one("+0.25 < #3 SW. 7:107(100) ack 5 win 1000 <mss 1460,sackOK,ts 100/last,wscale 7,sack 1:2 5:9> ecn=ce checksum=bad # why");
  CHECK(read.kind == Kind::kInject);
  CHECK(read.when.relative);
  CHECK(read.when.earliest_us == 250'000);
  CHECK(read.connection == 3);
  const Tcp& tcp = read.packet.tcp;
  CHECK(tcp.flags == (wire::kSyn | wire::kCwr | wire::kAck));
  CHECK(tcp.seq == 7);
  CHECK(tcp.length == 100);
  CHECK(tcp.ack == 5);
  CHECK(tcp.window.value == 1'000);
  CHECK(tcp.options.mss == 1'460);
  CHECK(tcp.options.sack_permitted);
  CHECK(tcp.options.timestamp == 100);
  CHECK(tcp.options.echo_is_last);
  CHECK(tcp.options.shift == 7);
  REQUIRE(tcp.options.sacks.size() == 2);
  CHECK(tcp.options.sacks[1].end == 9);
  CHECK(read.packet.fields.at("ecn") == "ce");
  CHECK(read.packet.fields.at("checksum") == "bad");
}

TEST_CASE("script: a TCP packet that is expected", "[sim]") {
  const Statement read = one("0.5~1 > P. * ack * win >=100 <ts */7,...>");
  CHECK(read.kind == Kind::kExpect);
  CHECK_FALSE(read.when.relative);
  CHECK(read.when.latest_us == 1'000'000);
  CHECK(read.packet.tcp.any_seq);
  CHECK(read.packet.tcp.ack == kAny);
  CHECK(read.packet.tcp.window.holds(100));
  CHECK_FALSE(read.packet.tcp.window.holds(99));
  CHECK(read.packet.tcp.options.others);
  CHECK(read.packet.tcp.options.timestamp == kAny);
  CHECK(read.packet.tcp.options.echo == 7);
}

TEST_CASE("script: sequence numbers wrap", "[sim]") {
  const Tcp tcp = one("+0 < . 4294967290:4(10) ack 1").packet.tcp;
  CHECK(tcp.seq == 4'294'967'290u);
  CHECK(tcp.length == 10);
}

TEST_CASE("script: other packets, calls, events, checks and settings", "[sim]") {
  const Statement icmp = one("+0 < icmp too-big mtu=1200 quote=1");
  CHECK(icmp.packet.kind == PacketKind::kIcmp);
  CHECK(icmp.packet.what == "too-big");
  CHECK(icmp.packet.fields.at("mtu") == "1200");
  CHECK(one("+0 #2 write 100").connection == 2);
  CHECK(one("+0 write 100").words == std::vector<std::string>{"write", "100"});
  CHECK(one("+0 error ECONNRESET").kind == Kind::kEvent);
  CHECK(one("+1 quiet").kind == Kind::kQuiet);
  const Statement check = one("+0 check counter retransmits >=2");
  CHECK(check.words == std::vector<std::string>{"counter", "retransmits"});
  CHECK(check.condition.holds(2));
  CHECK(one("set tcp.nagle on").words == std::vector<std::string>{"tcp.nagle", "on"});
}

TEST_CASE("script: what is wrong is said with its place and what is right", "[sim]") {
  CHECK(refusal("# nothing\n") == "a.pkt: there is no statement in it");
  CHECK(refusal("\n\nlisten") ==
        "a.pkt:3: a statement begins with its time in seconds, as in +0.1, 0.1 or +0.1~0.3, or with 'set'; not with 'listen'");
  CHECK(refusal("+0.3~0.1 quiet").find("a.pkt:1: a statement begins with its time") == 0);
  CHECK(refusal("+0 < S 1:101(99)") == "a.pkt:1: '1:101(99)' contradicts itself: from 1 to 101 are 100 bytes");
  CHECK(refusal("+0 < S x") == "a.pkt:1: 'x' is no range such as 1:101(100), 1 or *");
  CHECK(refusal("+0 < . 1") == "a.pkt:1: a packet with the flag '.' wants 'ack N'");
  CHECK(refusal("+0 < . 1 ack") == "a.pkt:1: 'ack' wants a number or *, not ''");
  CHECK(refusal("+0 < . 1 ack 1 <mss 5") == "a.pkt:1: the option list has no '>' at its end");
  CHECK(refusal("+0 < . 1 ack 1 <mss>").find("'mss' is no option; there are mss N, sackOK") != std::string::npos);
  CHECK(refusal("+0 < . 1 ack 1 ecn").find("'ecn' is not key=value") != std::string::npos);
  CHECK(refusal("+0 > sctp").find("'sctp' is no packet; there are flags of TCP") != std::string::npos);
  CHECK(refusal("+0 sleep").find("'sleep' is nothing that can happen; there are <, >, ?>, quiet") != std::string::npos);
  CHECK(refusal("+0 check memory 1").find("'memory' cannot be checked; there are state, ") != std::string::npos);
  CHECK(refusal("+0 check packets x").find("not 'x'") != std::string::npos);
  CHECK(refusal("set nagle").find("'set' wants a name and a value") != std::string::npos);
  CHECK(refusal("+0 #0 listen").find("'#0' is no connection") != std::string::npos);
  CHECK(refusal("+0 quiet now") == "a.pkt:1: nothing may stand behind: 'now'");
}

}  // namespace
}  // namespace sluice::sim::script
