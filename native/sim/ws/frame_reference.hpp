#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "sim/ws/frame_receiver.hpp"
#include "sim/ws/utf8_oracle.hpp"

// RFC 6455 §5 read off the page over the whole stream at once: no state between calls, no fast path. What the parser must agree with.

namespace sluice::ws::sim {

class FrameReference {
 public:
  FrameReference(std::string_view stream, uint32_t max_message) : stream_(stream), max_message_(max_message) {
    while (frame()) {
    }
  }

  const std::vector<Event>& events() const { return events_; }

 private:
  uint64_t byte(size_t at) const { return static_cast<uint8_t>(stream_[at]); }
  uint64_t number(size_t at, size_t size) const {
    uint64_t value = 0;
    for (size_t i = 0; i < size; ++i) value = value << 8 | byte(at + i);
    return value;
  }

  bool fail(uint16_t code) {
    events_.push_back({ItemKind::kError, false, code, ""});
    return false;
  }

  bool frame() {
    if (stream_.empty()) return false;
    const bool final = byte(0) >= 128;
    const uint64_t opcode = byte(0) % 16;
    const bool control = opcode >= 8;
    if (byte(0) / 16 % 8 != 0) return fail(1002);
    if ((opcode > 2 && opcode < 8) || opcode > 10 || (control && !final)) return fail(1002);
    if (!control && (opcode == 0) != (message_ != 0)) return fail(1002);
    if (stream_.size() < 2) return false;
    if (byte(1) < 128 || (control && byte(1) % 128 > 125)) return fail(1002);
    uint64_t length = byte(1) % 128;
    const size_t extension = length == 126 ? 2 : length == 127 ? 8 : 0;
    if (stream_.size() < 2 + extension) return false;
    if (extension != 0) {
      length = number(2, extension);
      if (length >= 1ull << 63 || length < 126 || (extension == 8 && length < 65536)) return fail(1002);
    }
    if (!control && (length > max_message_ || bytes_.size() > max_message_ - length)) return fail(1009);
    const size_t header = 2 + extension + 4;
    if (stream_.size() < header) return false;
    std::string payload(stream_.substr(header, static_cast<size_t>(length)));
    const bool whole = payload.size() == length;
    for (size_t i = 0; i < payload.size(); ++i) payload[i] = static_cast<char>(payload[i] ^ stream_[header - 4 + i % 4]);
    stream_.remove_prefix(header + payload.size());
    return control ? whole && control_frame(opcode, payload) : data_frame(opcode, final && whole, whole, payload);
  }

  bool control_frame(uint64_t opcode, const std::string& payload) {
    if (opcode != 8) {
      events_.push_back({opcode == 9 ? ItemKind::kPing : ItemKind::kPong, false, 0, payload});
      return true;
    }
    if (payload.empty()) {
      events_.push_back({ItemKind::kClose, false, 1005, ""});
      return true;
    }
    if (payload.size() == 1) return fail(1002);
    const auto code = static_cast<uint16_t>(static_cast<uint8_t>(payload[0]) * 256 + static_cast<uint8_t>(payload[1]));
    const bool reserved = code == 1004 || code == 1005 || code == 1006 || code > 4999 || (code > 1014 && code < 3000);
    if (code < 1000 || reserved) return fail(1002);
    if (utf8_oracle(payload.substr(2)) != Utf8Verdict::kWhole) return fail(1007);
    events_.push_back({ItemKind::kClose, false, code, payload.substr(2)});
    return true;
  }

  bool data_frame(uint64_t opcode, bool end, bool whole, const std::string& payload) {
    if (opcode != 0) message_ = opcode;
    bytes_ += payload;
    if (message_ == 1) {
      const Utf8Verdict verdict = utf8_oracle(bytes_);
      if (verdict == Utf8Verdict::kInvalid || (end && verdict != Utf8Verdict::kWhole)) return fail(1007);
    }
    if (!end) return whole;
    events_.push_back({ItemKind::kData, message_ == 1, 0, bytes_});
    message_ = 0;
    bytes_.clear();
    return true;
  }

  std::string_view stream_;
  uint64_t max_message_;
  std::vector<Event> events_;
  uint64_t message_ = 0;
  std::string bytes_;
};

}  // namespace sluice::ws::sim
