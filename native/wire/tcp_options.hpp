#pragma once

#include <cstdint>

#include "base/bytes.hpp"

namespace sluice::wire {

struct SackBlock {
  uint32_t begin;
  uint32_t end;
};

// The options of one segment that Sluice understands; others are skipped (RFC 9293 §3.2, MUST-6).
struct TcpOptions {
  static constexpr uint32_t kMaxSacks = 4;

  uint32_t timestamp = 0;
  uint32_t timestamp_echo = 0;
  uint16_t mss = 0;             // 0: not sent
  uint8_t window_shift = 0;
  bool has_timestamp = false;
  bool has_window_shift = false;
  bool sack_permitted = false;
  uint8_t sack_count = 0;
  SackBlock sacks[kMaxSacks];
};

// False where an option's length cannot be (RFC 9293 §3.2, MUST-7): what was read before it stands.
bool parse_tcp_options(const uint8_t* options, uint32_t length, TcpOptions& out) noexcept;

// Writes options one behind the other, each padded to a multiple of four by NOPs in front of it.
class TcpOptionWriter {
 public:
  explicit TcpOptionWriter(uint8_t* at) noexcept : begin_(at), at_(at) {}

  void mss(uint16_t value) noexcept {
    at_[0] = 2;
    at_[1] = 4;
    store_be16(at_ + 2, value);
    at_ += 4;
  }
  void window_shift(uint8_t shift) noexcept {
    store_be32(at_, 0x01030300u | shift);
    at_ += 4;
  }
  void sack_permitted() noexcept {
    store_be32(at_, 0x01010402u);
    at_ += 4;
  }
  // NOP, NOP, kind 8, length 10: RFC 7323 appendix A.
  void timestamp(uint32_t value, uint32_t echo) noexcept {
    store_be32(at_, 0x0101080au);
    store_be32(at_ + 4, value);
    store_be32(at_ + 8, echo);
    at_ += 12;
  }
  void sacks(const SackBlock* blocks, uint32_t count) noexcept {
    store_be32(at_, 0x01010500u | (2 + 8 * count));
    at_ += 4;
    for (uint32_t i = 0; i < count; ++i) {
      store_be32(at_, blocks[i].begin);
      store_be32(at_ + 4, blocks[i].end);
      at_ += 8;
    }
  }
  uint32_t bytes() const noexcept { return static_cast<uint32_t>(at_ - begin_); }

 private:
  uint8_t* begin_;
  uint8_t* at_;
};

}  // namespace sluice::wire
