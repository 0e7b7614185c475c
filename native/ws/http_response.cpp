#include <charconv>
#include <cstring>

#include "base/assert.hpp"
#include "ws/base64.hpp"
#include "ws/http_date.hpp"
#include "ws/sha1.hpp"
#include "ws/upgrade.hpp"

namespace sluice::ws {

namespace {

// Appends to a response buffer of kMaxResponse bytes. Everything written is bounded by constants, so a full buffer is a bug.
class Response {
 public:
  explicit Response(uint8_t* out) noexcept : out_(out) {}

  Response& operator<<(std::string_view text) noexcept {
    SLUICE_ASSERT(text.size() <= kMaxResponse - size_);
    if (!text.empty()) std::memcpy(out_ + size_, text.data(), text.size());
    size_ += static_cast<uint32_t>(text.size());
    return *this;
  }

  Response& operator<<(uint32_t number) noexcept {
    char digits[10];
    const auto end = std::to_chars(digits, digits + sizeof digits, number).ptr;
    return *this << std::string_view(digits, static_cast<size_t>(end - digits));
  }

  uint32_t size() const noexcept { return size_; }

 private:
  uint8_t* out_;
  uint32_t size_ = 0;
};

constexpr uint32_t kAcceptLength = 28;
constexpr uint32_t kKeyLength = 24;

// RFC 6455 §4.2.2, item 5.4
void write_accept(char* out, std::string_view key) {
  constexpr std::string_view kGuid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  SLUICE_ASSERT(key.size() == kKeyLength);
  char text[kKeyLength + kGuid.size()];
  std::memcpy(text, key.data(), kKeyLength);
  std::memcpy(text + kKeyLength, kGuid.data(), kGuid.size());
  const auto digest = sha1({text, sizeof text});
  static_assert(kAcceptLength == (sizeof digest + 2) / 3 * 4);
  base64_encode(out, digest.data(), sizeof digest);
}

std::string_view status_phrase(uint16_t status) {
  switch (status) {
    case 400: return "Bad Request";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 408: return "Request Timeout";
    case 411: return "Length Required";
    case 413: return "Content Too Large";
    case 414: return "URI Too Long";
    case 426: return "Upgrade Required";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 501: return "Not Implemented";
    case 503: return "Service Unavailable";
    case 505: return "HTTP Version Not Supported";
    default: return "Error";
  }
}

// The rest of an answer that is one: RFC 9110 §6.6.1 asks for Date in all that are not 1xx or 5xx, which may have it.
void write_body(Response& response, std::string_view body, bool head_method, int64_t now_s) {
  const auto length = static_cast<uint32_t>(body.size() + 1);
  const auto date = http_date(now_s);
  response << "Date: " << std::string_view(date.data(), date.size()) << "\r\n";
  response << "Content-Type: text/plain; charset=utf-8\r\nCache-Control: no-store\r\nContent-Length: " << length << "\r\n\r\n";
  if (!head_method) response << body << "\n";  // RFC 9110 §9.3.2: the length of what GET would get, and nothing of it
}

}  // namespace

uint32_t write_switching_protocols(uint8_t* out, const RequestHead& head) {
  SLUICE_ASSERT(head.subprotocol.size() <= kMaxSubprotocol);
  char accept[kAcceptLength];
  write_accept(accept, head.key);
  Response response(out);
  response << "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
           << std::string_view(accept, sizeof accept) << "\r\n";
  if (!head.subprotocol.empty()) response << "Sec-WebSocket-Protocol: " << head.subprotocol << "\r\n";
  response << "\r\n";
  return response.size();
}

uint32_t write_health(uint8_t* out, const RequestHead& head, HealthState state, int64_t now_s) {
  const bool serving = state == HealthState::kServing;
  Response response(out);
  response << "HTTP/1.1 " << (serving ? "200 OK\r\n" : "503 Service Unavailable\r\n");
  if (!head.keep_alive) response << "Connection: close\r\n";
  write_body(response, serving ? "ok" : state == HealthState::kDraining ? "draining" : "no control plane", head.head_method, now_s);
  return response.size();
}

uint32_t write_refusal(uint8_t* out, uint16_t status, const char* detail, uint32_t retry_after_s, int64_t now_s,
                       const RequestHead* head) {
  SLUICE_ASSERT(status >= 400 && status <= 599 && std::strlen(detail) <= kMaxDetail);
  Response response(out);
  response << "HTTP/1.1 " << status << " " << status_phrase(status) << "\r\n";
  if (status == 405) response << "Allow: " << (head != nullptr && head->health_target ? "GET, HEAD" : "GET") << "\r\n";
  // RFC 9110 §15.5.22 and RFC 6455 §4.4: what the client would have to ask for.
  const bool upgrade_required = status == 426;
  if (upgrade_required) response << "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n";
  if (status == 503) response << "Retry-After: " << retry_after_s << "\r\n";
  response << (upgrade_required ? "Connection: Upgrade, close\r\n" : "Connection: close\r\n");
  write_body(response, detail, head != nullptr && head->head_method, now_s);
  return response.size();
}

}  // namespace sluice::ws
