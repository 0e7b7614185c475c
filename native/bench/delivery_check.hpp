#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "bench/header_line.hpp"
#include "bench/payload.hpp"

namespace sluice::load {

// What the subscribers of `pub` must see: each message of their channel once, in the order of server_seq, with its body, and
// each publisher's messages in the order in which it sent them, those aside that were refused and sent again.
class DeliveryCheck {
 public:
  DeliveryCheck(uint32_t subscribers, uint32_t publishers, uint32_t body_size)
      : publishers_(publishers), payload_(body_size), last_seq_(subscribers, kNotSubscribed),
        last_number_(size_t{subscribers} * publishers) {}

  // The answer to `sub`: deliveries begin behind this head.
  void subscribed(uint32_t subscriber, uint64_t head) noexcept { last_seq_[subscriber] = head; }
  // The message was refused and is sent again: others of its publisher may come before it.
  void may_come_late(uint32_t publisher, uint64_t number);
  uint64_t last_seq(uint32_t subscriber) const noexcept { return last_seq_[subscriber]; }

  // Empty: as it must be.
  std::string check(uint32_t subscriber, const HeaderLine& header);

  // A body begins with "PUBLISHER NUMBER " in fixed width, then the payload's pattern.
  static constexpr uint32_t kNameBytes = 16;
  static void write_name(uint8_t* out, uint32_t publisher, uint64_t number) noexcept;

 private:
  static constexpr uint64_t kNotSubscribed = UINT64_MAX;

  uint32_t publishers_;
  Payload payload_;
  std::vector<uint64_t> last_seq_;
  std::vector<uint64_t> last_number_;
  std::unordered_map<uint64_t, std::vector<bool>> late_;  // by number and publisher: which subscribers have it
};

}  // namespace sluice::load
