#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace sluice::load {

// The Sec-WebSocket-Key of a connection: a function of its number, so that nothing need be kept until the answer.
std::string handshake_key(uint64_t nonce);

struct HandshakeRequest {
  std::string_view host;
  uint16_t port;
  std::string_view path;
  std::string_view subprotocol;  // empty: none is offered
  uint64_t nonce;
};
std::string handshake_request(const HandshakeRequest& request);

enum class HandshakeResult : uint8_t { kNeedMore, kAccepted, kRefused, kInvalid };

struct HandshakeAnswer {
  int status = 0;
  uint32_t head_bytes = 0;
  const char* detail = "";  // kInvalid: what was wrong
};

// Checks a complete response head: 101, Upgrade, Connection, Sec-WebSocket-Accept and the subprotocol (RFC 6455 §4.1).
HandshakeResult check_handshake(std::string_view bytes, uint64_t nonce, std::string_view subprotocol, HandshakeAnswer& out);

}  // namespace sluice::load
