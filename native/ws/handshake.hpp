#pragma once

#include <cstdint>
#include <string_view>

#include "ws/http_head.hpp"
#include "ws/upgrade.hpp"

// The rules of RFC 6455 §4.2.1 over the fields of a request.

namespace sluice::ws {

// What the field lines of one request said, gathered in one pass over them.
struct Fields {
  uint32_t hosts = 0;
  uint32_t versions = 0;
  uint32_t keys = 0;
  uint32_t origins = 0;
  uint32_t content_lengths = 0;
  uint32_t transfer_encodings = 0;
  bool connection_upgrade = false;
  bool connection_close = false;
  bool upgrade_websocket = false;
  bool body_announced = false;    // Content-Length above 0
  bool chunked_only = true;       // every transfer coding is "chunked"
  bool protocols_offered = false;
  std::string_view version;
  std::string_view key;
  std::string_view origin;
  size_t protocol = SIZE_MAX;     // index of the best offered subprotocol in the policy
};

// Takes note of one field line.
Refusal note_field(const FieldLine& line, const UpgradePolicy& policy, Fields& fields);

// RFC 9112 §3.2 and §6: what must hold for any request, whatever it asks for.
Refusal check_framing(const RequestLine& line, const Fields& fields);

// A body that is announced is never read, so its connection cannot go on. One of unknown length is refused for that (RFC 9112 §6.3: 411),
// whether it then is empty or not. Asked after the method: a POST is a 405 with or without one.
Refusal check_no_body(const Fields& fields);

// Whether the request is a WebSocket handshake that the policy admits.
Refusal check_handshake(const RequestLine& line, const Fields& fields, const UpgradePolicy& policy);

}  // namespace sluice::ws
