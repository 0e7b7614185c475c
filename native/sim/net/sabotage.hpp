#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "net/address.hpp"
#include "nic/nic.hpp"

namespace sluice::sim {

// Bugs that are planted, one at a time, at the boundary between the stack and its device or its application: they prove that the
// checkers see what they are there for.
enum class Sabotage : uint8_t {
  kNone,
  kAckTooMuch,  // acknowledges a byte that did not come
  kAckBack,     // acknowledges less than before
  kBadChecksum,
  kShrinkWindow,       // takes back a part of the window that it offered
  kIgnoreWindow,       // sends beyond the peer's window
  kCorruptRetransmit,  // sends other bytes under the same numbers
  kSkipRetransmit,     // never sends anything twice
  kForgetFin,
  kEarlyFin,  // sends data behind a FIN
  kTimestampBack,
  kLieInSack,    // reports bytes that did not come
  kLongSegment,  // longer than the peer's MSS
  kLeakPacket,
  kChangeDelivered,  // changes a byte on its way to TCP
  kLoseData,         // the driver swallows delivered bytes
  kDoubleData,       // delivers bytes twice
  kSwapData,         // delivers in another order
  kEarlyEnd,         // tells the application of an end that was not
  kLoseEnd,          // never tells it of the end
};
inline constexpr uint32_t kSabotages = 20;

const char* sabotage_name(Sabotage sabotage);
// kNone where there is no such name.
Sabotage find_sabotage(const std::string& name);

// Between the IP layer and its device: does the wrong thing with frames. Everything goes through software checksums.
class SabotageNic final : public nic::Nic {
 public:
  SabotageNic(nic::Nic& inner, Sabotage what);

  const char* name() const noexcept override { return inner_.name(); }
  const nic::NicCapabilities& capabilities() const noexcept override { return capabilities_; }
  nic::PacketPool& pool() noexcept override { return inner_.pool(); }
  uint32_t receive(nic::Packet** frames, uint32_t max) noexcept override;
  uint32_t transmit(nic::Packet** frames, uint32_t count) noexcept override;
  bool transmitting(const nic::Packet* packet) const noexcept override { return inner_.transmitting(packet); }
  bool link_up() noexcept override { return inner_.link_up(); }
  bool arm() noexcept override { return inner_.arm(); }
  int wait_fd() const noexcept override { return inner_.wait_fd(); }
  bool worked() noexcept override { return inner_.worked(); }
  bool stalled() const noexcept override { return inner_.stalled(); }
  const nic::NicCounters& counters() noexcept override { return inner_.counters(); }

 private:
  // False: the frame is not sent.
  bool spoil_sent(std::vector<uint8_t>& frame);
  void spoil_received(std::vector<uint8_t>& frame);
  bool is_repetition(const std::vector<uint8_t>& frame);
  nic::Packet* replace(const std::vector<uint8_t>& frame);

  nic::Nic& inner_;
  Sabotage what_;
  nic::NicCapabilities capabilities_;
  std::set<std::pair<uint16_t, uint32_t>> sent_;  // ports and sequence numbers that went out with payload or FIN
  uint32_t count_ = 0;
};

}  // namespace sluice::sim
