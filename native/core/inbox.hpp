#pragma once

#include <cstdint>
#include <deque>
#include <vector>

#include "core/endings.hpp"
#include "core/lifecycle.hpp"
#include "core/parts.hpp"
#include "ws/upgrade_memo.hpp"

namespace sluice::core {

// Everything that comes in: HTTP until the upgrade, then frames. A message that lies whole in its receive block is announced where it
// lies; one that spans blocks or frames is gathered in the assembly window.
class Inbox {
 public:
  Inbox(Parts& parts, Lifecycle& lifecycle, Endings& endings) : parts_(parts), lifecycle_(lifecycle), endings_(endings) {}

  // `data` lies in a receive block.
  void receive(uint32_t slot, uint8_t* data, uint32_t length);
  // Goes on with connections that waited for room in the event ring, or for a control plane.
  void resume_stalled();
  // Refuses the upgrades that have waited for a control plane for too long.
  void expire_parked();

  uint64_t messages() const noexcept { return messages_; }

 private:
  enum class Step : uint8_t { kContinue, kStop };

  uint8_t* parse(uint32_t slot, uint8_t* cursor, uint8_t* end);
  uint8_t* parse_stash(uint32_t slot, uint8_t* data, uint32_t length);
  Step take_head(uint32_t slot, uint8_t*& cursor, uint8_t* end);
  uint8_t* take_short_messages(uint32_t slot, uint8_t* cursor, uint8_t* end);
  Step take_item(uint32_t slot, uint8_t*& cursor, uint8_t* end);
  Step answer_upgrade(uint32_t slot, const uint8_t* head_bytes, const ws::RequestHead& head);
  Step take_data(uint32_t slot, const ws::Item& item);
  bool announce(uint32_t slot, const uint8_t* data, uint32_t length, bool text);
  bool look_at(const uint8_t* data, uint32_t length, uint32_t& header_length) const;
  void count(ConnectionRow& row, uint32_t messages, uint64_t bytes);
  bool gather(uint32_t slot, const uint8_t* data, uint32_t length);
  void refuse(uint32_t slot, uint16_t status, const char* detail, const ws::RequestHead* head = nullptr);

  bool stash(uint32_t slot, const uint8_t* data, uint32_t length);
  void stall(uint32_t slot);
  void park(uint32_t slot);
  void pause(uint32_t slot);
  void exhausted(uint32_t slot);

  Parts& parts_;
  Lifecycle& lifecycle_;
  Endings& endings_;
  std::vector<uint32_t> stalled_;
  struct Parked {
    uint64_t due_us;
    uint32_t slot;
    uint32_t generation;
  };
  // Upgrades without a control plane; in order, since all wait equally long.
  std::deque<Parked> parked_;
  ws::UpgradeMemo upgrades_;
  uint64_t messages_ = 0;
  bool exhausted_told_ = false;
};

}  // namespace sluice::core
