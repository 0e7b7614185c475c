#pragma once

#include <array>
#include <cstdint>

#include "ws/upgrade.hpp"

namespace sluice::ws {

// The last upgrades that were accepted under one policy. Clients of one kind send the same head but for their key, and where millions of
// them come at once parsing it costs as much as all else that an upgrade takes.
class UpgradeMemo {
 public:
  // True: parse_head() would have said kUpgrade and `out` of the head that stands at the beginning of `data`.
  bool recall(const uint8_t* data, uint32_t length, RequestHead& out) const noexcept;

  // parse_head() said kUpgrade and `head` of the bytes at `data`.
  void remember(const uint8_t* data, const RequestHead& head) noexcept;

 private:
  static constexpr uint32_t kHeads = 4;
  static constexpr uint32_t kMaxBytes = 1024;

  struct Entry {
    RequestHead head;  // without what it has of the bytes that it was parsed from
    uint32_t key_at = 0;
    uint32_t target_at = 0;
    uint32_t target_bytes = 0;
    std::array<uint8_t, kMaxBytes> bytes;
  };

  std::array<Entry, kHeads> entries_{};
  uint32_t next_ = 0;
};

}  // namespace sluice::ws
