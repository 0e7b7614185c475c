#pragma once

#include <cstdint>

#include "net/counters.hpp"
#include "net/options.hpp"
#include "nic/nic.hpp"

namespace sluice::net {

// Puts Ethernet headers in front of packets and gathers frames for the device.
class Transmitter {
 public:
  Transmitter(nic::Nic& nic, const InterfaceOptions& options, NetCounters& counters)
      : nic_(nic), counters_(counters), mac_(nic.capabilities().mac), vlan_(options.vlan) {}
  ~Transmitter();
  Transmitter(const Transmitter&) = delete;
  Transmitter& operator=(const Transmitter&) = delete;

  // Takes one reference of each piece. False when it was dropped because the device takes no more.
  bool send(nic::Packet* packet, const nic::MacAddress& to, uint16_t type);
  // Hands what was gathered to the device; what it does not take is offered again by the next flush().
  void flush();

  // Marks the pieces of a packet that waits elsewhere: they may not be sent again meanwhile.
  static void mark_waiting(nic::Packet* packet) noexcept {
    for (; packet != nullptr; packet = packet->next) ++packet->waiting;
  }
  static void unmark_waiting(nic::Packet* packet) noexcept {
    for (; packet != nullptr; packet = packet->next) --packet->waiting;
  }

  uint32_t ethernet_bytes() const noexcept { return vlan_ == 0 ? 14 : 18; }
  const nic::MacAddress& mac() const noexcept { return mac_; }

 private:
  static constexpr uint32_t kGather = 256;

  nic::Nic& nic_;
  NetCounters& counters_;
  nic::MacAddress mac_;
  uint16_t vlan_;
  uint32_t count_ = 0;
  nic::Packet* frames_[kGather];
};

}  // namespace sluice::net
