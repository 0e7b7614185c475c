#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "wiregen/client.hpp"

namespace sluice::wiregen {

// Finds WebSocket frames of the server (RFC 6455 §5.2) in what comes, and holds the beginning of what is not there yet: bytes are
// copied only where a segment ends within a message.
class Assembler {
 public:
  struct Frame {
    uint8_t opcode;
    bool final;
    const uint8_t* payload;
    uint64_t length;
  };
  enum class Result : uint8_t { kFrame, kNeedMore, kViolation };

  // More than this is no message of any scenario.
  static constexpr uint64_t kMaxMessage = 16u << 20;

  // Takes a frame off the front of [at, end).
  Result next(const uint8_t*& at, const uint8_t* end, Frame& out);
  const char* violation() const noexcept { return violation_; }

  // What stands in front of `data` is put together with it; where nothing does, these are `data` and `length` again. The result is
  // valid until keep() or drop().
  void gather(ClientId id, Client& client, const uint8_t*& data, uint32_t& length);
  // Holds what is left.
  void keep(ClientId id, Client& client, const uint8_t* data, uint32_t length);
  void drop(ClientId id, Client& client);

  // A data frame of a fragmented message, or a whole one: true when `out` is a whole message.
  bool join(ClientId id, const Frame& frame, Frame& out);

  size_t held() const noexcept { return partial_.size() + fragments_.size(); }

 private:
  struct Fragments {
    uint8_t opcode;
    std::string bytes;
  };

  std::unordered_map<ClientId, std::string> partial_;
  std::unordered_map<ClientId, Fragments> fragments_;
  std::string joined_;
  std::vector<std::string> spare_;
  const char* violation_ = "";
};

}  // namespace sluice::wiregen
