#include "ws/handshake.hpp"

#include <algorithm>

#include "ws/base64.hpp"
#include "ws/http_text.hpp"
#include "ws/origin.hpp"

namespace sluice::ws {

namespace {

bool list_has(std::string_view list, std::string_view wanted) {
  std::string_view element;
  while (next_element(list, element)) {
    if (equals_ignoring_case(element, wanted)) return true;
  }
  return false;
}

Refusal note_host(std::string_view value, Fields& fields) {
  ++fields.hosts;
  if (!host_valid(value)) return {400, "malformed Host"};
  return {};
}

Refusal note_content_length(std::string_view value, Fields& fields) {
  ++fields.content_lengths;
  // RFC 9112 §6.3: a list, even of equal values, is as suspect as two lines.
  if (value.empty() || !std::all_of(value.begin(), value.end(), is_digit)) return {400, "malformed Content-Length"};
  if (value.find_first_not_of('0') != std::string_view::npos) fields.body_announced = true;
  return {};
}

Refusal note_transfer_encoding(std::string_view value, Fields& fields) {
  ++fields.transfer_encodings;
  std::string_view coding;
  while (next_element(value, coding)) {
    if (!equals_ignoring_case(coding, "chunked")) fields.chunked_only = false;
  }
  return {};
}

// RFC 6455 §11.3.4: several lines are one list. The server's order decides, not the client's.
Refusal note_protocols(std::string_view value, const UpgradePolicy& policy, Fields& fields) {
  std::string_view offered;
  while (next_element(value, offered)) {
    if (!is_token(offered)) return {400, "malformed Sec-WebSocket-Protocol"};
    fields.protocols_offered = true;
    const size_t known = std::min(fields.protocol, policy.subprotocols.size());  // only a better one is of interest
    for (size_t i = 0; i < known; ++i) {
      if (offered == policy.subprotocols[i]) {
        fields.protocol = i;
        break;
      }
    }
  }
  if (!fields.protocols_offered) return {400, "empty Sec-WebSocket-Protocol"};
  return {};
}

void note_once(std::string_view value, uint32_t& count, std::string_view& out) {
  ++count;
  out = value;
}

Refusal check_policy(const Fields& fields, const UpgradePolicy& policy) {
  if (fields.origins > 1) return {400, "more than one Origin"};
  if (fields.origins == 1 && !origin_allowed(fields.origin, policy.origins)) return {403, "origin not allowed"};
  const bool negotiated = fields.protocol < policy.subprotocols.size();
  if (policy.require_subprotocol && !negotiated) return {400, "none of the offered subprotocols is spoken here"};
  return {};
}

}  // namespace

Refusal note_field(const FieldLine& line, const UpgradePolicy& policy, Fields& fields) {
  const auto is = [&line](std::string_view name) { return equals_ignoring_case(line.name, name); };
  if (is("Host")) return note_host(line.value, fields);
  if (is("Content-Length")) return note_content_length(line.value, fields);
  if (is("Transfer-Encoding")) return note_transfer_encoding(line.value, fields);
  if (is("Sec-WebSocket-Protocol")) return note_protocols(line.value, policy, fields);
  if (is("Connection")) {
    fields.connection_upgrade |= list_has(line.value, "upgrade");
    fields.connection_close |= list_has(line.value, "close");
  } else if (is("Upgrade")) {
    fields.upgrade_websocket |= list_has(line.value, "websocket");
  } else if (is("Sec-WebSocket-Version")) {
    note_once(line.value, fields.versions, fields.version);
  } else if (is("Sec-WebSocket-Key")) {
    note_once(line.value, fields.keys, fields.key);
  } else if (is("Origin")) {
    note_once(line.value, fields.origins, fields.origin);
  }
  // Sec-WebSocket-Extensions is passed over: offers that are not answered are declined (RFC 6455 §9.1).
  return {};
}

Refusal check_framing(const RequestLine& line, const Fields& fields) {
  // RFC 9112 §3.2: exactly one Host; HTTP/1.0 may do without.
  if (fields.hosts > 1) return {400, "more than one Host"};
  if (fields.hosts == 0 && !line.http10) return {400, "no Host"};
  // RFC 9112 §6.1 and §6.3: two answers to where the request ends.
  if (fields.content_lengths > 1) return {400, "more than one Content-Length"};
  if (fields.transfer_encodings > 0) {
    if (fields.content_lengths > 0) return {400, "both Content-Length and Transfer-Encoding"};
    if (line.http10) return {400, "Transfer-Encoding in HTTP/1.0"};
    if (!fields.chunked_only) return {501, "transfer coding not supported"};
  }
  return {};
}

Refusal check_no_body(const Fields& fields) {
  if (fields.transfer_encodings > 0) return {411, "request bodies are not taken: send neither Transfer-Encoding nor a body"};
  if (fields.body_announced) return {413, "request bodies are not taken"};
  return {};
}

Refusal check_handshake(const RequestLine& line, const Fields& fields, const UpgradePolicy& policy) {
  const bool served = policy.paths.empty() || std::find(policy.paths.begin(), policy.paths.end(), line.path) != policy.paths.end();
  if (!served && !line.path.empty()) return {404, "nothing is served here"};
  if (line.method != "GET") return {405, "a WebSocket handshake is a GET"};  // RFC 6455 §4.1
  if (line.path.empty()) return {400, "request target is not a path"};
  if (const Refusal refusal = check_no_body(fields)) return refusal;
  // RFC 9110 §7.8: Upgrade is ignored in HTTP/1.0, and without the connection option of its name.
  if (line.http10 || !fields.upgrade_websocket || !fields.connection_upgrade) return {426, "only WebSocket is served here"};
  if (fields.versions > 1) return {400, "more than one Sec-WebSocket-Version"};
  if (fields.version != "13") return {426, "only WebSocket version 13 is spoken here"};  // RFC 6455 §4.4
  if (fields.keys != 1) return {400, fields.keys == 0 ? "no Sec-WebSocket-Key" : "more than one Sec-WebSocket-Key"};
  if (!base64_of_16_bytes(fields.key)) return {400, "Sec-WebSocket-Key is not sixteen bytes in base64"};
  return check_policy(fields, policy);
}

}  // namespace sluice::ws
