#pragma once

#include <cstdint>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "base/assert.hpp"
#include "ws/frame.hpp"

// What a connection does with the parser, for tests and fuzzing: presents chunks, keeps what is incomplete, gathers messages. It
// asserts the promises of frame.hpp on the way.

namespace sluice::ws::sim {

struct Event {
  ItemKind kind;
  bool text = false;
  uint16_t code = 0;
  std::string bytes;

  bool operator==(const Event&) const = default;
};

inline std::ostream& operator<<(std::ostream& out, const Event& event) {
  static constexpr const char* kNames[] = {"more", "message", "ping", "pong", "close", "error"};
  return out << kNames[static_cast<int>(event.kind)] << (event.text ? " text " : " ") << event.code << " '" << event.bytes << "'";
}

class FrameReceiver {
 public:
  explicit FrameReceiver(uint32_t max_message) : limits_{max_message} {}

  // False once the stream has failed.
  bool feed(std::string_view chunk) {
    if (failed_) return false;
    tail_.insert(tail_.end(), chunk.begin(), chunk.end());
    std::vector<uint8_t> exact(tail_);  // no spare capacity: ASan sees a read past the end
    uint8_t* cursor = exact.data();
    uint8_t* const end = cursor + exact.size();
    for (;;) {
      uint8_t* const before = cursor;
      const Item item = next_item(state_, cursor, end, limits_);
      SLUICE_ASSERT(cursor >= before && cursor <= end);
      if (item.kind == ItemKind::kNeedMore) break;
      SLUICE_ASSERT(item.kind == ItemKind::kError || cursor > before);
      take(item, exact.data(), end);
      if (failed_) return false;
    }
    SLUICE_ASSERT(end - cursor < static_cast<ptrdiff_t>(kMaxIncomplete));
    tail_.assign(cursor, end);
    return true;
  }

  const std::vector<Event>& events() const { return events_; }
  const std::string& partial() const { return message_; }
  const std::string& detail() const { return detail_; }
  bool between_messages() const { return !open_ && tail_.empty() && state_.in_frame == 0; }

 private:
  void take(const Item& item, const uint8_t* begin, const uint8_t* end) {
    if (item.kind == ItemKind::kError) {
      SLUICE_ASSERT(item.detail != nullptr && item.detail[0] != '\0');
      failed_ = true;
      detail_ = item.detail;
      events_.push_back({item.kind, false, item.code, ""});
      return;
    }
    SLUICE_ASSERT(item.data >= begin && item.data + item.length <= end);
    const std::string bytes(reinterpret_cast<const char*>(item.data), item.length);
    if (item.kind != ItemKind::kData) {
      events_.push_back({item.kind, false, item.code, bytes});
      return;
    }
    SLUICE_ASSERT(item.first == !open_);
    SLUICE_ASSERT(item.length != 0 || item.first || item.last);
    if (item.first) text_ = item.text;
    SLUICE_ASSERT(item.text == text_);
    message_ += bytes;
    SLUICE_ASSERT(message_.size() <= limits_.max_message);
    open_ = !item.last;
    if (!item.last) return;
    events_.push_back({item.kind, text_, 0, message_});
    message_.clear();
  }

  ParserLimits limits_;
  ParserState state_;
  std::vector<uint8_t> tail_;
  std::vector<Event> events_;
  std::string message_;
  std::string detail_;
  bool open_ = false;
  bool text_ = false;
  bool failed_ = false;
};

}  // namespace sluice::ws::sim
