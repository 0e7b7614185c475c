#include "ws/http_head.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/assert.hpp"
#include "base/bytes.hpp"
#include "ws/http_text.hpp"

namespace sluice::ws {

namespace {

constexpr std::string_view kLineEnd = "\r\n";
constexpr std::string_view kHeadEnd = "\r\n\r\n";

// RFC 9112 §2.2: empty lines in front of a request line are ignored, at least one; some clients send two behind a body.
constexpr uint32_t kMaxEmptyLines = 4;

// Whether `text` is nothing but the empty lines that may stand in front of a request line.
bool only_empty_lines(std::string_view text) noexcept {
  return text.size() <= kMaxEmptyLines * kLineEnd.size() && text.find_first_not_of(kLineEnd) == std::string_view::npos;
}

uint32_t empty_lines_in_front(std::string_view text) noexcept {
  uint32_t bytes = 0;
  while (bytes < kMaxEmptyLines * kLineEnd.size() && text.substr(bytes).starts_with(kLineEnd)) bytes += kLineEnd.size();
  return bytes;
}

constexpr uint64_t every(uint8_t byte) noexcept { return 0x0101010101010101u * byte; }

// From `at` on, where the first byte is that is no plain character (control or DEL), eight at a time; `end` where there is none before.
uint32_t skip_plain(std::string_view data, uint32_t at, uint32_t end) noexcept {
  for (; at + 8 <= end; at += 8) {
    uint64_t word;
    std::memcpy(&word, data.data() + at, sizeof word);
    const uint64_t deletes = word ^ every(0x7f);
    // The lowest of the marked bytes is right; those above it may be marked by a borrow.
    const uint64_t marked = (((word - every(0x20)) & ~word) | ((deletes - every(1)) & ~deletes)) & every(0x80);
    if (marked != 0) return at + static_cast<uint32_t>(std::countr_zero(marked)) / 8;
  }
  while (at < end && static_cast<unsigned char>(data[at]) >= 0x20 && data[at] != 0x7f) ++at;
  return at;
}

// What is wrong with the byte at `at`, given what stands in front of it, or nullptr.
const char* check_byte(std::string_view data, uint32_t at) {
  const char c = data[at];
  const bool after_cr = at > 0 && data[at - 1] == '\r';
  // RFC 9112 §2.2: a bare CR must be refused, and a bare LF may be taken for a line end: by some, so not here.
  if (after_cr != (c == '\n')) return after_cr ? "bare CR in the request head" : "bare LF in the request head";
  const auto byte = static_cast<unsigned char>(c);
  if ((byte < 0x20 && c != '\t' && c != '\r' && c != '\n') || byte == 0x7f) return "control character in the request head";
  return nullptr;
}

std::string_view take_line(std::string_view& head) {
  const size_t end = head.find(kLineEnd);
  SLUICE_ASSERT(end != std::string_view::npos);  // scan_head found the empty line
  const std::string_view line = head.substr(0, end);
  head.remove_prefix(end + kLineEnd.size());
  return line;
}

// RFC 9112 §2.3
bool version_form(std::string_view text) {
  return text.size() == 8 && text.starts_with("HTTP/") && is_digit(text[5]) && text[6] == '.' && is_digit(text[7]);
}

// RFC 9112 §3.2: origin-form, or absolute-form, which a server must take even though only proxies are sent it. The other forms belong
// to CONNECT and OPTIONS; they have no path and fail by their method.
Refusal split_target(std::string_view target, std::string_view& path) {
  if (!std::all_of(target.begin(), target.end(), [](char c) { return is_visible(c) && c != '#'; })) {
    return {400, "request target has a forbidden character"};
  }
  if (!target.starts_with('/')) {
    const size_t scheme = target.find("://");
    if (scheme == std::string_view::npos) {
      path = {};
      return {};
    }
    const std::string_view name = target.substr(0, scheme);
    const bool known = equals_ignoring_case(name, "http") || equals_ignoring_case(name, "https") || equals_ignoring_case(name, "ws") ||
                       equals_ignoring_case(name, "wss");
    if (!known) return {400, "request target of an unknown scheme"};
    target.remove_prefix(scheme + 3);
    const size_t authority = std::min(target.find_first_of("/?"), target.size());
    if (!host_valid(target.substr(0, authority))) return {400, "request target has a bad authority"};
    target.remove_prefix(authority);
  }
  path = target.substr(0, target.find('?'));
  if (path.empty()) path = "/";  // RFC 9110 §4.2.3
  return {};
}

}  // namespace

ScanResult scan_head(std::string_view data, uint32_t& scanned, uint32_t max_bytes, Refusal& refusal) {
  const auto end = static_cast<uint32_t>(std::min<size_t>(data.size(), max_bytes));
  for (; scanned < end; ++scanned) {
    if (scanned == 0 || data[scanned - 1] != '\r') scanned = skip_plain(data, scanned, end);
    if (scanned == end) break;
    if (const char* detail = check_byte(data, scanned)) {
      refusal = {400, detail};
      return ScanResult::kRefused;
    }
    const std::string_view head = data.substr(0, scanned + 1);
    if (data[scanned] == '\n' && head.ends_with(kHeadEnd) && !only_empty_lines(head)) {
      ++scanned;
      return ScanResult::kEnd;
    }
  }
  if (data.size() < max_bytes) return ScanResult::kNeedMore;
  // RFC 9112 §3 and RFC 6585 §5: which of the two was too long.
  const size_t line_end = data.substr(0, max_bytes).find(kLineEnd, empty_lines_in_front(data));
  refusal = line_end == std::string_view::npos ? Refusal{414, "request target too long"} : Refusal{431, "request head too large"};
  return ScanResult::kRefused;
}

Refusal take_request_line(std::string_view& head, RequestLine& out) {
  head.remove_prefix(empty_lines_in_front(head));
  const std::string_view line = take_line(head);
  const size_t first = line.find(' ');
  const size_t last = line.rfind(' ');
  // RFC 9112 §3: exactly one space between the parts; a lenient split at other whitespace opens the door to smuggling.
  if (first == std::string_view::npos || last <= first + 1) return {400, "malformed request line"};
  out.method = line.substr(0, first);
  out.target = line.substr(first + 1, last - first - 1);
  const std::string_view version = line.substr(last + 1);
  if (!is_token(out.method)) return {400, "request method is not a token"};
  if (!version_form(version)) return {400, "malformed HTTP version"};
  // RFC 9110 §2.5: a higher minor version is understood as the highest that one knows.
  if (!version.starts_with("HTTP/1.")) return {505, "only HTTP/1.1 is spoken here"};
  out.http10 = version == "HTTP/1.0";
  return split_target(out.target, out.path);
}

Refusal take_field_line(std::string_view& head, FieldLine& out) {
  const std::string_view line = take_line(head);
  if (line.starts_with(' ') || line.starts_with('\t')) return {400, "folded header line"};  // RFC 9112 §5.2
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos) return {400, "header line without a colon"};
  out.name = line.substr(0, colon);
  // RFC 9112 §5.1: whitespace before the colon must be refused; it is no token character.
  if (!is_token(out.name)) return {400, "header name is not a token"};
  out.value = trim(line.substr(colon + 1));
  return {};
}

bool host_valid(std::string_view host) {
  std::string_view name = host;
  const size_t bracket = host.starts_with('[') ? host.find(']') : 0;  // IP-literal: its colons are no port
  if (bracket == std::string_view::npos) return false;
  if (const size_t colon = host.find(':', bracket); colon != std::string_view::npos) {
    name = host.substr(0, colon);
    const std::string_view port = host.substr(colon + 1);
    if (port.size() > 5 || !std::all_of(port.begin(), port.end(), is_digit)) return false;
  }
  if (bracket != 0) {
    if (name.size() != bracket + 1 || name.size() < 4) return false;
    name = name.substr(1, bracket - 1);
    return std::all_of(name.begin(), name.end(), [](char c) { return is_digit(c) || is_alpha(c) || c == ':' || c == '.'; });
  }
  // RFC 3986 §3.2.2 reg-name: unreserved, pct-encoded, sub-delims.
  constexpr std::string_view kMarks = "-._~%!$&'()*+,;=";
  const auto allowed = [kMarks](char c) { return is_digit(c) || is_alpha(c) || kMarks.find(c) != std::string_view::npos; };
  return !name.empty() && std::all_of(name.begin(), name.end(), allowed);
}

}  // namespace sluice::ws
