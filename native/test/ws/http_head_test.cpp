#include "test/ws/upgrade_fixture.hpp"
#include "ws/http_head.hpp"

namespace sluice::ws::test {

TEST_CASE("a head without its empty line needs more", "[ws][http]") {
  const std::string whole = handshake();
  CHECK(ask("").verdict == HeadVerdict::kNeedMore);
  CHECK(ask(whole.substr(0, whole.size() - 1)).verdict == HeadVerdict::kNeedMore);
  CHECK(ask(whole.substr(0, whole.size() - 2)).verdict == HeadVerdict::kNeedMore);
}

TEST_CASE("bytes after the head are left alone", "[ws][http]") {
  const std::string whole = handshake();
  const Answer answer = ask(whole + std::string("\x81\x85\0\0\0\0Hello\n\r", 13));
  CHECK(answer.verdict == HeadVerdict::kUpgrade);
  CHECK(answer.head.head_bytes == whole.size());
}

TEST_CASE("a request line is method, target and version with single spaces (RFC 9112 3)", "[ws][http]") {
  for (const char* line : {"GET", "GET /", "GET  / HTTP/1.1", "GET /  HTTP/1.1", " GET / HTTP/1.1", "GET / HTTP/1.1 ", "GET /a b HTTP/1.1",
                           "GET\t/\tHTTP/1.1", "G@T / HTTP/1.1", "GET / http/1.1", "GET / HTTP/11", "GET / HTTP/1.1.1", "GET / HTTP/1.x",
                           "GET / HTTP/ 1.1", "GET /\xc3\xa9 HTTP/1.1", "GET /#a HTTP/1.1", "GET chat HTTP/1.1", "GET * HTTP/1.1",
                           "GET ftp://h/ HTTP/1.1", "GET http://a@h/ HTTP/1.1", "GET http:///chat HTTP/1.1", ""}) {
    INFO(line);
    CHECK(refusal(std::string(line) + "\r\n" + kHostLine + kUpgradeLines + kKeyLine + kVersionLine + "\r\n") == 400);
  }
}

TEST_CASE("up to four empty lines in front of the request are ignored (RFC 9112 2.2)", "[ws][http]") {
  std::string lines;
  for (uint32_t count = 1; count <= 4; ++count) {
    lines += "\r\n";
    INFO(count);
    CHECK(ask(lines).verdict == HeadVerdict::kNeedMore);
    const Answer answer = ask(lines + handshake() + "frames");
    CHECK(answer.verdict == HeadVerdict::kUpgrade);
    CHECK(answer.head.head_bytes == lines.size() + handshake().size());
    CHECK(refusal(lines + "\n" + handshake()) == 400);
    CHECK(refusal(lines + " \r\n" + handshake()) == 400);
    CHECK(refusal(lines + "GET /\r\n\r\n") == 400);
  }
  CHECK(refusal(lines + "\r\n" + handshake()) == 400);
  CHECK(refusal(lines + "\r\n") == 400);  // without waiting for what comes behind it
}

TEST_CASE("other versions of HTTP are not spoken (RFC 9110 15.6.6)", "[ws][http]") {
  for (const char* version : {"HTTP/2.0", "HTTP/2.1", "HTTP/0.9", "HTTP/3.0"}) {
    CHECK(refusal("GET / " + std::string(version) + "\r\n" + kHostLine + "\r\n") == 505);
  }
  CHECK(refusal("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n") == 505);
}

TEST_CASE("a higher minor version is taken as HTTP/1.1 (RFC 9110 2.5)", "[ws][http]") {
  for (const char* version : {"HTTP/1.2", "HTTP/1.9"}) {
    std::string request = handshake();
    request.replace(request.find("HTTP/1.1"), 8, version);
    CHECK(upgrades(request));
    CHECK(refusal("GET / " + std::string(version) + "\r\n\r\n") == 400);  // it needs a Host as HTTP/1.1 does
  }
  CHECK(refusal("GET / HTTP/1.10\r\n" + std::string(kHostLine) + "\r\n") == 400);  // a minor version is one digit
}

TEST_CASE("bare CR, bare LF and control characters are refused where they stand (RFC 9112 2.2)", "[ws][http]") {
  CHECK(refusal("GET / HTTP/1.1\nHost: a\n\n") == 400);
  CHECK(refusal("\n") == 400);
  CHECK(refusal("GET / HTTP/1.1\rHost: a\r\n\r\n") == 400);
  CHECK(refusal("GET / HTTP/1.1\r\nA: b\rc") == 400);
  CHECK(refusal("GET / HTTP/1.1\r\nA: b\r\r\n") == 400);
  CHECK(refusal(std::string("GET /\0 HTTP/1.1", 15)) == 400);
  for (const char c : {'\x01', '\x0b', '\x1f', '\x7f'}) CHECK(refusal(handshake("X-A: b" + std::string(1, c) + "c\r\n")) == 400);
  CHECK(refusal("\x16\x03\x01\x02") == 400);  // a TLS client on the plain port
}

TEST_CASE("a header line is a token, a colon at once, and visible text (RFC 9112 5.1)", "[ws][http]") {
  for (const char* line : {"Name : value", "Name\t: value", ": value", "Name", "Na me: value", "Na\xc3\xa9: value", "Na(me: v"}) {
    INFO(line);
    CHECK(refusal(handshake(std::string(line) + "\r\n")) == 400);
  }
  CHECK(upgrades(handshake("X-Empty:\r\nX-Space: \t \r\nX-Obs: \xc3\xa9\r\nX-Colon: a:b\r\n")));
}

TEST_CASE("a folded header line is refused (RFC 9112 5.2)", "[ws][http]") {
  CHECK(refusal(handshake("X-A: b\r\n c\r\n")) == 400);
  CHECK(refusal(handshake("X-A: b\r\n\tc\r\n")) == 400);
  CHECK(refusal("GET / HTTP/1.1\r\n " + kHostLine + "\r\n") == 400);
}

TEST_CASE("a request has exactly one Host of legal characters (RFC 9112 3.2)", "[ws][http]") {
  const std::string rest = kUpgradeLines + kKeyLine + kVersionLine + "\r\n";
  const auto with = [&rest](const std::string& lines) { return "GET / HTTP/1.1\r\n" + lines + rest; };
  CHECK(refusal(with("")) == 400);
  CHECK(refusal(with("Host: a\r\nHost: a\r\n")) == 400);
  for (const char* host : {"", "a b", "a/b", "u@a", "a:1:2", "a:x", "a:123456", ":80", "[::1", "[]", "[::1]x", "[::1/]", "a,b c"}) {
    INFO(host);
    CHECK(refusal(with("Host: " + std::string(host) + "\r\n")) == 400);
  }
  for (const char* host : {"a", "a:80", "a:", "1.2.3.4:65535", "[::1]", "[2001:db8::1]:443", "x-y.example.org"}) {
    INFO(host);
    CHECK(upgrades(with("hOsT:" + std::string(host) + "\r\n")));
  }
}

TEST_CASE("a request whose end could be read in two ways is refused (RFC 9112 6.3)", "[ws][http]") {
  for (const char* lines : {"Content-Length: 0\r\nContent-Length: 0\r\n", "Content-Length: 0, 0\r\n", "Content-Length: +0\r\n",
                            "Content-Length:\r\n", "Content-Length: 0x0\r\n", "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n"}) {
    INFO(lines);
    CHECK(refusal(handshake(lines)) == 400);
    CHECK(refusal(get("/healthz", lines)) == 400);
  }
  CHECK(refusal("GET /healthz HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n") == 400);
}

TEST_CASE("a body is not taken", "[ws][http]") {
  CHECK(refusal(handshake("Content-Length: 1\r\n")) == 413);
  CHECK(refusal(handshake("Content-Length: 99999999999999999999999\r\n")) == 413);
  CHECK(refusal(handshake("Transfer-Encoding: chunked\r\n")) == 411);
  CHECK(refusal(handshake("Transfer-Encoding: Chunked\r\nTransfer-Encoding: chunked\r\n")) == 411);
  CHECK(refusal(get("/healthz", "Content-Length: 5\r\n")) == 413);
  CHECK(refusal(get("/healthz", "Transfer-Encoding: chunked\r\n")) == 411);
  CHECK(refusal(handshake("Transfer-Encoding: gzip, chunked\r\n")) == 501);
  CHECK(upgrades(handshake("Content-Length: 0\r\n")));
}

TEST_CASE("the size of a head is bounded (RFC 6585 5)", "[ws][http]") {
  UpgradePolicy policy;
  const std::string whole = handshake("X-Fill: " + std::string(200, 'x') + "\r\n");
  policy.max_head_bytes = static_cast<uint32_t>(whole.size());
  CHECK(upgrades(whole, policy));
  CHECK(upgrades(whole + "frames that came along", policy));
  policy.max_head_bytes -= 1;
  CHECK(refusal(whole, policy) == 431);
  CHECK(refusal(whole.substr(0, policy.max_head_bytes), policy) == 431);
  CHECK(ask(whole.substr(0, policy.max_head_bytes - 1), policy).verdict == HeadVerdict::kNeedMore);
}

TEST_CASE("a target that fills the head is too long (RFC 9112 3)", "[ws][http]") {
  UpgradePolicy policy;
  policy.max_head_bytes = 300;
  CHECK(refusal(handshake("", "/" + std::string(400, 'x')), policy) == 414);
  CHECK(refusal("GET /" + std::string(295, 'x'), policy) == 414);
  CHECK(refusal("\r\nGET /" + std::string(295, 'x'), policy) == 414);
  CHECK(refusal("\r\n\r\n\r\n\r\nGET /" + std::string(295, 'x'), policy) == 414);
}

TEST_CASE("the number of header lines is bounded (RFC 6585 5)", "[ws][http]") {
  UpgradePolicy policy;
  policy.max_headers = 7;  // a handshake has five
  CHECK(upgrades(handshake("A: 1\r\nB: 2\r\n"), policy));
  CHECK(refusal(handshake("A: 1\r\nB: 2\r\nC: 3\r\n"), policy) == 431);
}

TEST_CASE("scanning a head that comes byte by byte looks at each byte once", "[ws][http]") {
  const std::string whole = handshake("X-Fill: " + std::string(7000, 'x') + "\r\n");
  uint32_t scanned = 0;
  Refusal refusal;
  for (uint32_t length = 1; length < whole.size(); ++length) {
    const uint32_t before = scanned;
    REQUIRE(scan_head(std::string_view(whole).substr(0, length), scanned, 8192, refusal) == ScanResult::kNeedMore);
    REQUIRE(before == length - 1);
    REQUIRE(scanned == length);
  }
  CHECK(scan_head(whole, scanned, 8192, refusal) == ScanResult::kEnd);
  CHECK(scanned == whole.size());
}

}  // namespace sluice::ws::test
