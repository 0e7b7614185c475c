#include "test/ws/upgrade_fixture.hpp"
#include "ws/http_date.hpp"

namespace sluice::ws::test {
namespace {

constexpr int64_t kNow = 784'111'777;

std::string refuse(uint16_t status, const char* detail, uint32_t retry_after_s = 0, const RequestHead* head = nullptr) {
  uint8_t out[kMaxResponse];
  const uint32_t size = write_refusal(out, status, detail, retry_after_s, kNow, head);
  return {reinterpret_cast<char*>(out), size};
}

std::string health(const RequestHead& head, HealthState state) {
  uint8_t out[kMaxResponse];
  const uint32_t size = write_health(out, head, state, kNow);
  return {reinterpret_cast<char*>(out), size};
}

bool has_line(const std::string& response, const std::string& line) { return response.find("\r\n" + line + "\r\n") != std::string::npos; }

}  // namespace

TEST_CASE("the accept value is the one of RFC 6455 1.3", "[ws][response]") {
  RequestHead head;
  head.key = "dGhlIHNhbXBsZSBub25jZQ==";
  uint8_t out[kMaxResponse];
  const auto write = [&] { return std::string(reinterpret_cast<char*>(out), write_switching_protocols(out, head)); };
  const std::string plain =
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n";
  CHECK(write() == plain + "\r\n");
  head.subprotocol = "chat";
  CHECK(write() == plain + "Sec-WebSocket-Protocol: chat\r\n\r\n");
  const std::string longest(kMaxSubprotocol, 'p');
  head.subprotocol = longest;
  CHECK(write() == plain + "Sec-WebSocket-Protocol: " + longest + "\r\n\r\n");
}

TEST_CASE("health says serving by 200 and draining by 503", "[ws][response]") {
  RequestHead head;
  head.keep_alive = true;
  const std::string serving = health(head, HealthState::kServing);
  CHECK(serving.starts_with("HTTP/1.1 200 OK\r\n"));
  CHECK(serving.ends_with("Content-Length: 3\r\n\r\nok\n"));
  CHECK_FALSE(has_line(serving, "Connection: close"));
  const std::string draining = health(head, HealthState::kDraining);
  CHECK(draining.starts_with("HTTP/1.1 503 Service Unavailable\r\n"));
  CHECK(draining.ends_with("Content-Length: 9\r\n\r\ndraining\n"));
  head.keep_alive = false;
  CHECK(has_line(health(head, HealthState::kServing), "Connection: close"));
}

TEST_CASE("the answer to HEAD has the length and not the body (RFC 9110 9.3.2)", "[ws][response]") {
  RequestHead head;
  head.head_method = true;
  CHECK(health(head, HealthState::kServing).ends_with("Content-Length: 3\r\n\r\n"));
  CHECK(refuse(404, "nothing", 0, &head).ends_with("Content-Length: 8\r\n\r\n"));
}

TEST_CASE("a refusal says why and closes", "[ws][response]") {
  const std::string response = refuse(400, "no Host");
  CHECK(response.starts_with("HTTP/1.1 400 Bad Request\r\n"));
  CHECK(has_line(response, "Connection: close"));
  CHECK(has_line(response, "Content-Length: 8"));
  CHECK(response.ends_with("\r\n\r\nno Host\n"));
}

TEST_CASE("what is no upgrade has a Date (RFC 9110 6.6.1)", "[ws][response]") {
  const std::string date = "Date: Sun, 06 Nov 1994 08:49:37 GMT";
  CHECK(has_line(refuse(404, "x"), date));
  CHECK(has_line(refuse(503, "x"), date));
  CHECK(has_line(health(RequestHead{}, HealthState::kServing), date));
}

TEST_CASE("a date is written as RFC 9110 5.6.7 has it", "[ws][response]") {
  const auto date = [](int64_t unix_s) {
    const auto text = http_date(unix_s);
    return std::string(text.data(), text.size());
  };
  CHECK(date(0) == "Thu, 01 Jan 1970 00:00:00 GMT");
  CHECK(date(951'827'696) == "Tue, 29 Feb 2000 12:34:56 GMT");
  CHECK(date(1'798'761'599) == "Thu, 31 Dec 2026 23:59:59 GMT");
  CHECK(date(4'107'542'400) == "Mon, 01 Mar 2100 00:00:00 GMT");
  CHECK(date(253'402'300'799) == "Fri, 31 Dec 9999 23:59:59 GMT");
  CHECK(date(INT64_MAX) == date(253'402'300'799));
  CHECK(date(INT64_MIN) == date(0));
}

TEST_CASE("a refusal tells the client what would be accepted", "[ws][response]") {
  const std::string upgrade = refuse(426, "x");
  CHECK(has_line(upgrade, "Upgrade: websocket"));
  CHECK(has_line(upgrade, "Connection: Upgrade, close"));
  CHECK(has_line(upgrade, "Sec-WebSocket-Version: 13"));
  CHECK(has_line(refuse(405, "x"), "Allow: GET"));
  RequestHead head;
  head.health_target = true;
  CHECK(has_line(refuse(405, "x", 0, &head), "Allow: GET, HEAD"));
  CHECK(has_line(refuse(503, "draining", 17), "Retry-After: 17"));
  CHECK(has_line(refuse(503, "draining", UINT32_MAX), "Retry-After: 4294967295"));
  CHECK_FALSE(has_line(refuse(400, "x", 17), "Retry-After: 17"));
}

TEST_CASE("every refusal has its reason phrase and fits", "[ws][response]") {
  const std::string longest(kMaxDetail, 'd');
  for (const uint16_t status : std::initializer_list<uint16_t>{400, 403, 404, 405, 408, 411, 413, 414, 426, 429, 431, 501, 503, 505}) {
    const std::string response = refuse(status, longest.c_str(), UINT32_MAX);
    CHECK(response.ends_with(longest + "\n"));
    CHECK(response.find(" Error\r\n") == std::string::npos);
  }
  CHECK(refuse(418, "x").starts_with("HTTP/1.1 418 Error\r\n"));
}

}  // namespace sluice::ws::test
