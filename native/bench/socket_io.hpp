#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "bench/frame.hpp"

namespace sluice::load {

// Socket.IO over a WebSocket, as far as a client of one namespace with one text argument an event needs it: the first character of a
// text message is Engine.IO's packet type (protocol 4), of its messages the second is Socket.IO's (protocol 5).
enum class SocketIoPacket : uint8_t { kOpen, kPing, kConnected, kEvent, kOther };

inline constexpr std::string_view kSocketIoConnect = "40";
inline constexpr std::string_view kSocketIoPong = "3";
inline constexpr std::string_view kSocketIoEventHead = R"(42["m",")";
inline constexpr std::string_view kSocketIoEventTail = R"("])";
inline constexpr uint64_t kSocketIoEventBytes = kSocketIoEventHead.size() + kSocketIoEventTail.size();

// The path of a request that skips long polling. The server finds the path that a plain WebSocket would have asked for in its query.
inline std::string socket_io_path(const std::string& path) { return "/socket.io/?EIO=4&transport=websocket&path=" + path; }

// `argument`: of an event, the message that it carries.
inline SocketIoPacket read_socket_io(const Frame& frame, Frame& argument) noexcept {
  const std::string_view text(reinterpret_cast<const char*>(frame.payload), frame.length);
  if (frame.opcode != kText || text.empty()) return SocketIoPacket::kOther;
  if (text.starts_with(kSocketIoEventHead) && text.ends_with(kSocketIoEventTail) && text.size() >= kSocketIoEventBytes) {
    argument = frame;
    argument.payload += kSocketIoEventHead.size();
    argument.length -= kSocketIoEventBytes;
    return SocketIoPacket::kEvent;
  }
  if (text.starts_with("0{")) return SocketIoPacket::kOpen;
  if (text == "2") return SocketIoPacket::kPing;
  return text.starts_with("40{") ? SocketIoPacket::kConnected : SocketIoPacket::kOther;
}

}  // namespace sluice::load
