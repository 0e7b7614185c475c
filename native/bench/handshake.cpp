#include "bench/handshake.hpp"

#include <strings.h>

#include <cstring>

#include "bench/accept_key.hpp"

namespace sluice::load {

namespace {

uint64_t mix(uint64_t x) noexcept {
  x += 0x9e3779b97f4a7c15u;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

bool equal_ignoring_case(std::string_view a, std::string_view b) noexcept {
  return a.size() == b.size() && strncasecmp(a.data(), b.data(), a.size()) == 0;
}

std::string_view trim(std::string_view text) noexcept {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

std::string_view header_value(std::string_view head, std::string_view name) noexcept {
  size_t at = head.find("\r\n");
  while (at != std::string_view::npos && at + 2 < head.size()) {
    size_t start = at + 2;
    size_t end = head.find("\r\n", start);
    if (end == std::string_view::npos) break;
    std::string_view line = head.substr(start, end - start);
    size_t colon = line.find(':');
    if (colon != std::string_view::npos && equal_ignoring_case(line.substr(0, colon), name)) return trim(line.substr(colon + 1));
    at = end;
  }
  return {};
}

}  // namespace

std::string handshake_key(uint64_t nonce) {
  uint64_t words[2] = {mix(nonce), mix(nonce ^ 0x5155494345ull)};
  return base64(reinterpret_cast<const uint8_t*>(words), sizeof words);
}

std::string handshake_request(const HandshakeRequest& request) {
  std::string out = "GET ";
  out += request.path;
  out += " HTTP/1.1\r\nHost: ";
  out += request.host;
  out += ':' + std::to_string(request.port);
  out += "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ";
  out += handshake_key(request.nonce);
  if (!request.subprotocol.empty()) {
    out += "\r\nSec-WebSocket-Protocol: ";
    out += request.subprotocol;
  }
  return out + "\r\n\r\n";
}

HandshakeResult check_handshake(std::string_view bytes, uint64_t nonce, std::string_view subprotocol, HandshakeAnswer& out) {
  constexpr size_t kMaxHead = 16384;
  size_t end = bytes.find("\r\n\r\n");
  if (end == std::string_view::npos) {
    if (bytes.size() < kMaxHead) return HandshakeResult::kNeedMore;
    out.detail = "no end of the response head within 16 KiB";
    return HandshakeResult::kInvalid;
  }
  std::string_view head = bytes.substr(0, end + 2);
  out.head_bytes = static_cast<uint32_t>(end + 4);
  if (head.size() < 12 || head.substr(0, 9) != "HTTP/1.1 ") {
    out.detail = "not an HTTP/1.1 response";
    return HandshakeResult::kInvalid;
  }
  out.status = (head[9] - '0') * 100 + (head[10] - '0') * 10 + (head[11] - '0');
  if (out.status != 101) return HandshakeResult::kRefused;
  if (!equal_ignoring_case(header_value(head, "upgrade"), "websocket")) {
    out.detail = "101 without Upgrade: websocket";
  } else if (!equal_ignoring_case(header_value(head, "connection"), "upgrade")) {
    out.detail = "101 without Connection: Upgrade";
  } else if (header_value(head, "sec-websocket-accept") != accept_key(handshake_key(nonce))) {
    out.detail = "Sec-WebSocket-Accept does not answer the key";
  } else if (header_value(head, "sec-websocket-protocol") != subprotocol) {
    out.detail = "the subprotocol is not the one that was offered";
  } else {
    return HandshakeResult::kAccepted;
  }
  return HandshakeResult::kInvalid;
}

}  // namespace sluice::load
