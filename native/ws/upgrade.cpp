#include "ws/upgrade.hpp"

#include "base/assert.hpp"
#include "ws/handshake.hpp"
#include "ws/http_head.hpp"

namespace sluice::ws {

namespace {

constexpr std::string_view kHealthPath = "/healthz";

HeadVerdict refuse(const Refusal& refusal, RequestHead& out) {
  SLUICE_ASSERT(refusal.status >= 400);
  out.status = refusal.status;
  out.detail = refusal.detail;
  return HeadVerdict::kRefuse;
}

Refusal take_fields(std::string_view head, const UpgradePolicy& policy, Fields& fields) {
  for (uint32_t count = 0; head != "\r\n"; ++count) {
    if (count == policy.max_headers) return {431, "too many header lines"};  // RFC 6585 §5
    FieldLine line;
    if (const Refusal refusal = take_field_line(head, line)) return refusal;
    if (const Refusal refusal = note_field(line, policy, fields)) return refusal;
  }
  return {};
}

HeadVerdict judge_health(const RequestLine& line, const Fields& fields, RequestHead& out) {
  out.health_target = true;
  if (line.method != "GET" && !out.head_method) return refuse({405, "/healthz answers GET and HEAD"}, out);
  if (const Refusal refusal = check_no_body(fields)) return refuse(refusal, out);
  return HeadVerdict::kHealth;
}

}  // namespace

HeadVerdict parse_head(const uint8_t* data, uint32_t length, uint32_t& scanned, const UpgradePolicy& policy, RequestHead& out) {
  SLUICE_ASSERT(scanned <= length);
  out = {};
  const std::string_view text(reinterpret_cast<const char*>(data), length);
  Refusal refusal;
  switch (scan_head(text, scanned, policy.max_head_bytes, refusal)) {
    case ScanResult::kNeedMore: return HeadVerdict::kNeedMore;
    case ScanResult::kRefused: return refuse(refusal, out);
    case ScanResult::kEnd: break;
  }
  out.head_bytes = scanned;

  std::string_view rest = text.substr(0, scanned);
  RequestLine line;
  if ((refusal = take_request_line(rest, line))) return refuse(refusal, out);
  out.head_method = line.method == "HEAD";
  out.target = line.target;
  Fields fields;
  if ((refusal = take_fields(rest, policy, fields))) return refuse(refusal, out);
  if ((refusal = check_framing(line, fields))) return refuse(refusal, out);
  // HTTP/1.0 closes by default, and a health check that speaks it is not worth its Keep-Alive extension.
  out.keep_alive = !line.http10 && !fields.connection_close;
  if (line.path == kHealthPath) return judge_health(line, fields, out);
  if ((refusal = check_handshake(line, fields, policy))) return refuse(refusal, out);
  out.key = fields.key;
  if (fields.protocol < policy.subprotocols.size()) out.subprotocol = policy.subprotocols[fields.protocol];
  return HeadVerdict::kUpgrade;
}

}  // namespace sluice::ws
