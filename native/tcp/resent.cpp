#include "tcp/resent.hpp"

namespace sluice::tcp {

namespace {

// In the packet: 1 + the record's index, 0 where it has none.
uint32_t record_of(const nic::Packet* packet) noexcept { return sent(packet).resent - 1u; }
bool listed(const nic::Packet* packet) noexcept { return sent(packet).resent != 0; }

}  // namespace

void ResentPackets::add(Transfer& transfer, nic::Packet* packet) noexcept {
  remove(transfer, packet);
  link(transfer, packet, transfer.resent_last);
}

void ResentPackets::add_behind(Transfer& transfer, nic::Packet* packet, const nic::Packet* other) noexcept {
  if (listed(packet)) return;
  link(transfer, packet, other != nullptr && listed(other) ? record_of(other) : kNone);
}

void ResentPackets::link(Transfer& transfer, nic::Packet* packet, uint32_t previous) noexcept {
  const uint32_t index = records_.allocate();
  // There are as many as packets. Beyond them the retransmission time-out finds what is lost again.
  if (index == kNone) return;
  Record& record = records_[index];
  record.packet = packet;
  record.previous = previous;
  uint32_t& from_previous = previous == kNone ? transfer.resent_first : records_[previous].next;
  record.next = from_previous;
  from_previous = index;
  (record.next == kNone ? transfer.resent_last : records_[record.next].previous) = index;
  sent(packet).resent = index + 1;
}

void ResentPackets::remove(Transfer& transfer, nic::Packet* packet) noexcept {
  if (__builtin_expect(!listed(packet), 1)) return;
  const uint32_t index = record_of(packet);
  const Record& record = records_[index];
  SLUICE_ASSERT(record.packet == packet);
  (record.previous == kNone ? transfer.resent_first : records_[record.previous].next) = record.next;
  (record.next == kNone ? transfer.resent_last : records_[record.next].previous) = record.previous;
  records_.release(index);
  sent(packet).resent = 0;
}

}  // namespace sluice::tcp
