#include "wire/tcp_options.hpp"

namespace sluice::wire {

namespace {

enum Kind : uint8_t { kEnd = 0, kNop = 1, kMss = 2, kWindowShift = 3, kSackPermitted = 4, kSack = 5, kTimestamp = 8 };

void read_sacks(const uint8_t* value, uint32_t length, TcpOptions& out) noexcept {
  if (length % 8 != 0) return;
  for (uint32_t at = 0; at < length && out.sack_count < TcpOptions::kMaxSacks; at += 8) {
    out.sacks[out.sack_count++] = {load_be32(value + at), load_be32(value + at + 4)};
  }
}

void read_option(uint8_t kind, const uint8_t* value, uint32_t length, TcpOptions& out) noexcept {
  switch (kind) {
    case kMss:
      if (length == 2) out.mss = load_be16(value);
      return;
    case kWindowShift:
      if (length != 1) return;
      out.has_window_shift = true;
      // RFC 7323 §2.3: a shift above 14 counts as 14.
      out.window_shift = value[0] > 14 ? 14 : value[0];
      return;
    case kSackPermitted:
      if (length == 0) out.sack_permitted = true;
      return;
    case kSack:
      return read_sacks(value, length, out);
    case kTimestamp:
      if (length != 8) return;
      out.has_timestamp = true;
      out.timestamp = load_be32(value);
      out.timestamp_echo = load_be32(value + 4);
      return;
    default:
      return;
  }
}

}  // namespace

bool parse_tcp_options(const uint8_t* options, uint32_t length, TcpOptions& out) noexcept {
  // The one layout that nearly every segment has.
  if (length == 12 && load_be32(options) == 0x0101080au) {
    out.has_timestamp = true;
    out.timestamp = load_be32(options + 4);
    out.timestamp_echo = load_be32(options + 8);
    return true;
  }
  for (uint32_t at = 0; at < length;) {
    const uint8_t kind = options[at];
    if (kind == kEnd) return true;
    if (kind == kNop) {
      ++at;
      continue;
    }
    if (length - at < 2) return false;
    const uint32_t bytes = options[at + 1];
    if (bytes < 2 || bytes > length - at) return false;
    read_option(kind, options + at + 2, bytes - 2, out);
    at += bytes;
  }
  return true;
}

}  // namespace sluice::wire
