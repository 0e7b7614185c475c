#pragma once

#include <cstdint>
#include <memory>

#include "base/assert.hpp"
#include "net/counters.hpp"
#include "net/options.hpp"
#include "net/segment_gatherer.hpp"
#include "nic/nic.hpp"
#include "wire/ethernet.hpp"

namespace sluice::net {

// Puts Ethernet headers in front of packets and queues frames for the device.
class Transmitter {
 public:
  // Frames that wait where the device takes no more. One turn may send to a hundred thousand subscribers, and a peer that is not scheduled
  // for some milliseconds is no reason to lose any: a lost one costs its connection a retransmission timeout, which is far longer than
  // the milliseconds in which a device takes all of these.
  static constexpr uint32_t kQueue = 131'072;

  Transmitter(nic::Nic& nic, const InterfaceOptions& options, NetCounters& counters)
      : nic_(nic), counters_(counters), mac_(nic.capabilities().mac), vlan_(options.vlan), gatherer_(nic.capabilities()) {}
  ~Transmitter();
  Transmitter(const Transmitter&) = delete;
  Transmitter& operator=(const Transmitter&) = delete;

  // Takes one reference of each piece. False when it was dropped because the queue is full.
  bool send(nic::Packet* packet, const nic::MacAddress& to, uint16_t type) {
    write_header(packet, to, type, vlan_);
    return queue(packet);
  }
  // The same for a frame without a tag whose type is known where it is called, on an interface that puts none.
  template <uint16_t kType>
  [[gnu::always_inline]] bool send_untagged(nic::Packet* packet, const nic::MacAddress& to) {
    SLUICE_ASSERT(vlan_ == 0);
    write_header(packet, to, kType, 0);
    return queue(packet);
  }
  bool tags() const noexcept { return vlan_ != 0; }
  // Hands what was queued to the device; what it does not take is offered again by the next flush().
  void flush();

  // Marks the pieces of a packet that waits: they may not be sent again meanwhile.
  static void mark_waiting(nic::Packet* packet) noexcept {
    for (; packet != nullptr; packet = packet->next) ++packet->waiting;
  }
  static void unmark_waiting(nic::Packet* packet) noexcept {
    for (; packet != nullptr; packet = packet->next) --packet->waiting;
  }

  uint32_t waiting() const noexcept { return tail_ - head_; }
  bool full() const noexcept { return full_; }
  uint32_t ethernet_bytes() const noexcept { return vlan_ == 0 ? 14 : 18; }
  const nic::MacAddress& mac() const noexcept { return mac_; }

 private:
  static constexpr uint32_t kMask = kQueue - 1;
  static_assert((kQueue & kMask) == 0);
  static constexpr uint32_t kBurst = 64;
  // So many are handed over without waiting for flush(): the device works while the turn goes on.
  static constexpr uint32_t kFlushAt = 256;

  [[gnu::always_inline]] void write_header(nic::Packet* packet, const nic::MacAddress& to, uint16_t type, uint16_t vlan) noexcept {
    const uint16_t bytes = vlan == 0 ? wire::EthernetView::kBytes : wire::EthernetView::kBytes + wire::EthernetView::kTagBytes;
    SLUICE_ASSERT(packet->headroom() >= bytes);
    wire::EthernetView::write(packet->push(bytes), to.bytes, mac_.bytes, type, vlan);
    packet->l2_bytes = static_cast<uint8_t>(bytes);
    packet->vlan = 0;
  }
  bool queue(nic::Packet* frame) {
    if (__builtin_expect(waiting() >= kFlushAt && (!full_ || waiting() == kQueue), 0) && !make_room(frame)) return false;
    mark_waiting(frame);
    if (gatherer_.join(frame)) {
      ++counters_.segments_gathered;
      return true;
    }
    frames_[tail_++ & kMask] = frame;
    gatherer_.begin(frame);
    return true;
  }
  bool make_room(nic::Packet* frame);

  nic::Nic& nic_;
  NetCounters& counters_;
  nic::MacAddress mac_;
  uint16_t vlan_;
  SegmentGatherer gatherer_;
  bool full_ = false;   // the device took less than it was offered
  uint32_t head_ = 0;   // both run on and wrap
  uint32_t tail_ = 0;
  // A megabyte of which little is ever touched: it is not even cleared.
  std::unique_ptr<nic::Packet*[]> frames_ = std::make_unique_for_overwrite<nic::Packet*[]>(kQueue);
};

}  // namespace sluice::net
