#pragma once

#include <catch2/catch.hpp>
#include <random>
#include <string>
#include <vector>

#include "sim/ws/frame_receiver.hpp"
#include "sim/ws/frame_reference.hpp"

namespace sluice::ws::test {

using sim::Event;
using sim::FrameReceiver;
using sim::FrameReference;

inline constexpr uint32_t kTestLimit = 100'000;

// One client frame. `first` is the whole first byte, so that a test can set what it must not.
inline std::string frame(uint32_t first, std::string payload, std::string key = "\x12\x34\x56\x78") {
  std::string out(1, static_cast<char>(first));
  const size_t length = payload.size();
  if (length <= 125) {
    out += static_cast<char>(0x80 | length);
  } else if (length <= 0xffff) {
    out += {static_cast<char>(0x80 | 126), static_cast<char>(length >> 8), static_cast<char>(length)};
  } else {
    out += static_cast<char>(0x80 | 127);
    for (int shift = 56; shift >= 0; shift -= 8) out += static_cast<char>(length >> shift);
  }
  out += key;
  for (size_t i = 0; i < length; ++i) payload[i] = static_cast<char>(payload[i] ^ key[i % 4]);
  return out + payload;
}

inline std::string text(const std::string& payload) { return frame(0x81, payload); }
inline std::string binary(const std::string& payload) { return frame(0x82, payload); }
inline std::string ping(const std::string& payload) { return frame(0x89, payload); }
inline std::string close(uint32_t code, const std::string& reason = "") {
  return frame(0x88, std::string{static_cast<char>(code >> 8), static_cast<char>(code)} + reason);
}

inline Event message(bool is_text, const std::string& bytes) { return {ItemKind::kData, is_text, 0, bytes}; }
inline Event text_event(const std::string& bytes) { return message(true, bytes); }
inline Event binary_event(const std::string& bytes) { return message(false, bytes); }
inline Event ping_event(const std::string& bytes) { return {ItemKind::kPing, false, 0, bytes}; }
inline Event pong_event(const std::string& bytes) { return {ItemKind::kPong, false, 0, bytes}; }
inline Event close_event(uint16_t code, const std::string& reason = "") { return {ItemKind::kClose, false, code, reason}; }
inline Event error_event(uint16_t code) { return {ItemKind::kError, false, code, ""}; }

using Events = std::vector<Event>;

inline Events parse_pieces(const std::vector<std::string_view>& pieces, uint32_t limit) {
  FrameReceiver receiver(limit);
  for (const std::string_view piece : pieces) receiver.feed(piece);
  return receiver.events();
}

// The stream has these events when it comes whole, cut at every place, byte by byte, and cut at random.
inline void check_stream(const std::string& stream, const Events& expected, uint32_t limit = kTestLimit) {
  const std::string_view view = stream;
  REQUIRE(parse_pieces({view}, limit) == expected);
  REQUIRE(FrameReference(view, limit).events() == expected);
  const size_t step = view.size() > 2000 ? view.size() / 500 : 1;
  for (size_t cut = 0; cut <= view.size(); cut += step) {
    REQUIRE(parse_pieces({view.substr(0, cut), view.substr(cut)}, limit) == expected);
  }
  std::vector<std::string_view> bytes;
  for (size_t at = 0; at < view.size(); ++at) bytes.push_back(view.substr(at, 1));
  REQUIRE(parse_pieces(bytes, limit) == expected);
  std::mt19937 random(static_cast<uint32_t>(view.size()));
  for (int round = 0; round < 20; ++round) {
    std::vector<std::string_view> pieces;
    for (size_t at = 0; at < view.size(); at += pieces.back().size()) pieces.push_back(view.substr(at, 1 + random() % 40));
    REQUIRE(parse_pieces(pieces, limit) == expected);
  }
}

}  // namespace sluice::ws::test
