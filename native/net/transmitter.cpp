#include "net/transmitter.hpp"

#include <cstring>

#include "base/assert.hpp"
#include "wire/ethernet.hpp"

namespace sluice::net {

Transmitter::~Transmitter() {
  for (uint32_t i = 0; i < count_; ++i) nic_.pool().unref_frame(frames_[i]);
}

bool Transmitter::send(nic::Packet* packet, const nic::MacAddress& to, uint16_t type) {
  if (count_ == kGather) {
    flush();
    if (count_ == kGather) {
      ++counters_.unsent_device_full;
      nic_.pool().unref_frame(packet);
      return false;
    }
  }
  const auto bytes = static_cast<uint16_t>(ethernet_bytes());
  SLUICE_ASSERT(packet->headroom() >= bytes);
  wire::EthernetView::write(packet->push(bytes), to.bytes, mac_.bytes, type, vlan_);
  packet->l2_bytes = static_cast<uint8_t>(bytes);
  packet->vlan = 0;
  mark_waiting(packet);
  frames_[count_++] = packet;
  return true;
}

void Transmitter::flush() {
  if (count_ == 0) return;
  for (uint32_t i = 0; i < count_; ++i) unmark_waiting(frames_[i]);
  const uint32_t taken = nic_.transmit(frames_, count_);
  counters_.frames_out += taken;
  count_ -= taken;
  if (count_ == 0) return;
  std::memmove(frames_, frames_ + taken, count_ * sizeof frames_[0]);
  for (uint32_t i = 0; i < count_; ++i) mark_waiting(frames_[i]);
}

}  // namespace sluice::net
