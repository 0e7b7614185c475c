#include "ws/upgrade.hpp"

#include <random>

#include "test/ws/upgrade_fixture.hpp"

namespace sluice::ws::test {

TEST_CASE("the handshake of RFC 6455 1.3 is taken", "[ws][upgrade]") {
  const Answer answer = ask(
      "GET /chat?room=1 HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: http://example.com\r\nSec-WebSocket-Protocol: chat, superchat\r\n"
      "Sec-WebSocket-Version: 13\r\n\r\n");
  CHECK(answer.verdict == HeadVerdict::kUpgrade);
  CHECK(answer.target == "/chat?room=1");
  CHECK(answer.key == "dGhlIHNhbXBsZSBub25jZQ==");
  CHECK(answer.subprotocol.empty());
}

TEST_CASE("Upgrade and Connection are lists without case over several lines (4.2.1)", "[ws][upgrade]") {
  const auto with = [](const std::string& lines) { return get("/", lines + kKeyLine + kVersionLine); };
  CHECK(upgrades(with("Upgrade: WebSocket\r\nConnection: keep-alive, UPGRADE\r\n")));
  CHECK(upgrades(with("UPGRADE: h2c, websocket\r\nconnection: keep-alive\r\nconnection:,upgrade ,\r\n")));
  CHECK(upgrades(with("Upgrade: h2c\r\nUpgrade: websocket\r\nConnection: a,\tupgrade\t,b\r\n")));
  CHECK(refusal(with("Connection: Upgrade\r\n")) == 426);
  CHECK(refusal(with("Upgrade: websocket\r\n")) == 426);
  CHECK(refusal(with("Upgrade: websocket\r\nConnection: keep-alive\r\n")) == 426);
  CHECK(refusal(with("Upgrade: websockets\r\nConnection: Upgrade\r\n")) == 426);
  CHECK(refusal(with("Upgrade: websocket\r\nConnection: not-upgrade, upgrade-not\r\n")) == 426);
  CHECK(refusal(with("Upgrade: web socket\r\nConnection: Upgrade\r\n")) == 426);
}

TEST_CASE("a request without a handshake must upgrade (RFC 9110 15.5.22)", "[ws][upgrade]") {
  CHECK(refusal(get("/")) == 426);
  CHECK(refusal("GET / HTTP/1.0\r\n\r\n") == 426);
  // RFC 9110 7.8: HTTP/1.0 cannot upgrade.
  CHECK(refusal("GET / HTTP/1.0\r\n" + kHostLine + kUpgradeLines + kKeyLine + kVersionLine + "\r\n") == 426);
}

TEST_CASE("the version is 13 (4.4)", "[ws][upgrade]") {
  const auto with = [](const std::string& lines) { return get("/", kUpgradeLines + kKeyLine + lines); };
  for (const char* version : {"12", "8", "0", "", "013", "13, 8", "1 3"}) {
    CHECK(refusal(with("Sec-WebSocket-Version: " + std::string(version) + "\r\n")) == 426);
  }
  CHECK(refusal(with("")) == 426);
  CHECK(refusal(with(kVersionLine + kVersionLine)) == 400);
}

TEST_CASE("there is one key, sixteen bytes in base64 (4.2.1)", "[ws][upgrade]") {
  const auto with = [](const std::string& lines) { return get("/", kUpgradeLines + kVersionLine + lines); };
  CHECK(refusal(with("")) == 400);
  CHECK(refusal(with(kKeyLine + kKeyLine)) == 400);
  for (const char* key : {"", "dGhlIHNhbXBsZSBub25jZQ", "dGhlIHNhbXBsZSBub25jZQ=", "dGhlIHNhbXBsZSBub25jZTE=", "dGhlIHNhbXBsZSBub25jZ!==",
                          "dGhlIHNhbXBsZSBub25jZTEyMw=="}) {
    INFO(key);
    CHECK(refusal(with("Sec-WebSocket-Key: " + std::string(key) + "\r\n")) == 400);
  }
  CHECK(upgrades(with("sec-websocket-key:\t dGhlIHNhbXBsZSBub25jZQ==\t \r\n")));
}

TEST_CASE("a handshake is a GET (4.1)", "[ws][upgrade]") {
  for (const char* method : {"HEAD", "POST", "PUT", "DELETE", "OPTIONS", "get", "PATCH", "TRACE"}) {
    const std::string lines = kHostLine + kUpgradeLines + kKeyLine + kVersionLine;
    CHECK(refusal(std::string(method) + " /chat HTTP/1.1\r\n" + lines + "\r\n") == 405);
  }
  CHECK(refusal("POST / HTTP/1.1\r\n" + kHostLine + "Content-Length: 5\r\n\r\nhello") == 405);
  CHECK(refusal("OPTIONS * HTTP/1.1\r\n" + kHostLine + "\r\n") == 405);
  CHECK(refusal("CONNECT a:80 HTTP/1.1\r\n" + kHostLine + "\r\n") == 405);
}

TEST_CASE("an upgrade is served at the policy's paths only", "[ws][upgrade]") {
  UpgradePolicy policy;
  policy.paths = {"/ws", "/chat"};
  CHECK(upgrades(handshake("", "/ws"), policy));
  CHECK(upgrades(handshake("", "/chat?token=a/b?c"), policy));
  CHECK(upgrades(handshake("", "http://server.example.com/ws?x"), policy));
  CHECK(upgrades(handshake("", "WSS://server.example.com:443/ws"), policy));
  for (const char* target : {"/", "/ws/", "/WS", "/w", "/wss", "http://server.example.com", "http://server.example.com/", "/%77s"}) {
    INFO(target);
    CHECK(refusal(handshake("", target), policy) == 404);
  }
  policy.paths = {"/"};
  CHECK(upgrades(handshake("", "http://server.example.com?x"), policy));
}

TEST_CASE("the subprotocol is the first of the server's that the client offers (4.2.2)", "[ws][upgrade]") {
  UpgradePolicy policy;
  policy.subprotocols = {"v2", "v1", "json"};
  const auto chosen = [&policy](const std::string& lines) { return ask(handshake(lines), policy).subprotocol; };
  CHECK(chosen("Sec-WebSocket-Protocol: v1, v2\r\n") == "v2");
  CHECK(chosen("Sec-WebSocket-Protocol: json\r\nSec-WebSocket-Protocol: other,v1\r\n") == "v1");
  CHECK(chosen("Sec-WebSocket-Protocol: v1\r\nSec-WebSocket-Protocol: json\r\n") == "v1");
  CHECK(chosen("Sec-WebSocket-Protocol: ,, json ,\r\n") == "json");
  CHECK(chosen("Sec-WebSocket-Protocol: V1, v\r\n").empty());
  CHECK(chosen("").empty());
  CHECK(upgrades(handshake("Sec-WebSocket-Protocol: unknown\r\n"), policy));
  for (const char* offer : {"", ",", "a b", "a;b", "v1, \"v2\"", "v1, a/b"}) {
    CHECK(refusal(handshake("Sec-WebSocket-Protocol: " + std::string(offer) + "\r\n"), policy) == 400);
  }
  policy.require_subprotocol = true;
  CHECK(refusal(handshake("Sec-WebSocket-Protocol: unknown\r\n"), policy) == 400);
  CHECK(refusal(handshake(), policy) == 400);
  CHECK(upgrades(handshake("Sec-WebSocket-Protocol: json\r\n"), policy));
}

TEST_CASE("extensions that are offered are passed over (9.1)", "[ws][upgrade]") {
  CHECK(upgrades(handshake("Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n")));
}

TEST_CASE("only an allowed origin may upgrade (10.2)", "[ws][upgrade]") {
  UpgradePolicy policy;
  policy.origins = {"https://app.example.org", "https://*.example.net", "https://*.port.example:8443"};
  const auto allowed = [&policy](const std::string& origin) {
    const uint16_t status = refusal(handshake("Origin: " + origin + "\r\n"), policy);
    REQUIRE((status == 0 || status == 403));
    return status == 0;
  };
  CHECK(allowed("https://app.example.org"));
  CHECK(allowed("HTTPS://APP.example.org"));
  CHECK(allowed("https://a.example.net"));
  CHECK(allowed("https://a.b.example.net"));
  CHECK(allowed("https://x.port.example:8443"));
  for (const char* origin :
       {"http://app.example.org", "https://app.example.org:8443", "https://app.example.org.evil.example", "https://example.net",
        "https://.example.net", "https://evilexample.net", "http://a.example.net", "https://evil.example/.example.net",
        "https://evil.example:1@a.example.net", "https://evil.example#.example.net", "https://a..example.net.", "https://a.example.net:444",
        "https://x.port.example", "null", "", "https://", "https://.a.example.net"}) {
    INFO(origin);
    CHECK_FALSE(allowed(origin));
  }
  CHECK(upgrades(handshake(), policy));  // not a browser
  CHECK(refusal(handshake("Origin: https://app.example.org\r\nOrigin: https://app.example.org\r\n"), policy) == 400);
  policy.origins = {"*"};
  CHECK(allowed("https://anything.example"));
  CHECK(allowed("null"));
  policy.origins = {};
  CHECK(allowed("https://anything.example"));
}

TEST_CASE("/healthz answers GET and HEAD, whatever the policy serves", "[ws][health]") {
  UpgradePolicy policy;
  policy.paths = {"/ws"};
  policy.origins = {"https://app.example.org"};
  policy.require_subprotocol = true;
  CHECK(ask(get("/healthz"), policy).verdict == HeadVerdict::kHealth);
  CHECK(ask(get("/healthz?probe=1"), policy).verdict == HeadVerdict::kHealth);
  const Answer head = ask("HEAD /healthz HTTP/1.1\r\n" + kHostLine + "\r\n", policy);
  CHECK(head.verdict == HeadVerdict::kHealth);
  CHECK(head.head.head_method);
  CHECK(refusal("POST /healthz HTTP/1.1\r\n" + kHostLine + "\r\n", policy) == 405);
  CHECK(refusal(get("/healthz/"), policy) == 404);
}

TEST_CASE("a health connection is kept in HTTP/1.1 unless the client closes (RFC 9112 9.3)", "[ws][health]") {
  CHECK(ask(get("/healthz")).head.keep_alive);
  CHECK(ask(get("/healthz", "Connection: keep-alive\r\n")).head.keep_alive);
  CHECK_FALSE(ask(get("/healthz", "Connection: a, Close\r\n")).head.keep_alive);
  const Answer old = ask("GET /healthz HTTP/1.0\r\n\r\n");
  CHECK(old.verdict == HeadVerdict::kHealth);
  CHECK_FALSE(old.head.keep_alive);
}

TEST_CASE("a pipelined health check starts where the last one ended", "[ws][health]") {
  const std::string one = get("/healthz");
  const Answer first = ask(one + one);
  CHECK(first.verdict == HeadVerdict::kHealth);
  CHECK(first.head.head_bytes == one.size());
}

TEST_CASE("damaged handshakes get one verdict however they are cut", "[ws][upgrade]") {
  std::mt19937 random(9112);
  UpgradePolicy policy;
  policy.max_head_bytes = 400;
  policy.subprotocols = {"a"};
  for (int round = 0; round < 300; ++round) {
    std::string request = handshake("Sec-WebSocket-Protocol: a, b\r\n");
    for (auto damage = random() % 4; damage > 0; --damage) {
      static constexpr char kBytes[] = "\r\n: ,\t/aZ";
      const size_t at = random() % request.size();
      if (random() % 2 == 0) request[at] = kBytes[random() % (sizeof kBytes - 1)];
      else request.insert(at, 1, kBytes[random() % (sizeof kBytes - 1)]);
    }
    ask(request, policy);
  }
}

}  // namespace sluice::ws::test
