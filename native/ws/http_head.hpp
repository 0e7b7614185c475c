#pragma once

#include <cstdint>
#include <string_view>

// RFC 9112: where a request head ends, and its lines. Strict: what two parsers could read differently is refused, because a proxy in
// front may be the other one (request smuggling).

namespace sluice::ws {

// Why a request is refused; status 0: it is not.
struct Refusal {
  uint16_t status = 0;
  const char* detail = "";
  explicit operator bool() const noexcept { return status != 0; }
};

enum class ScanResult : uint8_t { kNeedMore, kEnd, kRefused };

// Looks for the empty line from `scanned` on, and refuses a byte that may not stand in any head as soon as it is there. At most
// `max_bytes` are looked at. On kEnd `scanned` is the size of the head.
ScanResult scan_head(std::string_view data, uint32_t& scanned, uint32_t max_bytes, Refusal& refusal);

struct RequestLine {
  std::string_view method;
  std::string_view target;  // as sent
  std::string_view path;    // of the target, without query
  bool http10 = false;
};

struct FieldLine {
  std::string_view name;
  std::string_view value;  // without surrounding whitespace
};

// Each takes one line off the front of `head`, with its end. The head must have passed scan_head.
Refusal take_request_line(std::string_view& head, RequestLine& out);
Refusal take_field_line(std::string_view& head, FieldLine& out);

// RFC 9110 §7.2: uri-host [ ":" port ], checked by its characters.
bool host_valid(std::string_view host);

}  // namespace sluice::ws
