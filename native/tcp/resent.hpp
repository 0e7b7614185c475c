#pragma once

#include <algorithm>
#include <cstdint>

#include "tcp/sent_packet.hpp"
#include "tcp/slab.hpp"
#include "tcp/transfer.hpp"

namespace sluice::tcp {

// What was sent again and may still arrive, for each transfer in the order in which it was sent: RFC 8985 §6.2 judges packets by when they
// were last sent, and the first that is not due ends the search. (What was sent once needs no list, its order is that of its numbers.)
class ResentPackets {
 public:
  // `packets`: as many as can be sent at once.
  explicit ResentPackets(uint32_t packets) : records_(std::min(packets, SentPacket::kResentMost)) {}

  // It leaves now: behind all others.
  void add(Transfer& transfer, nic::Packet* packet) noexcept;
  // It was sent when `other` was (of which it is a part), or, with `other` null, before all others. In the list already: nothing changes.
  void add_behind(Transfer& transfer, nic::Packet* packet, const nic::Packet* other) noexcept;
  // It has arrived, is lost or is given up. Nothing happens where it is not in the list.
  void remove(Transfer& transfer, nic::Packet* packet) noexcept;

  // Sent before all others; null: none.
  nic::Packet* first(const Transfer& transfer) const noexcept {
    return transfer.resent_first == kNone ? nullptr : records_[transfer.resent_first].packet;
  }
  uint32_t used() const noexcept { return records_.used(); }
  // What was ever used of the table.
  uint64_t bytes() const noexcept { return static_cast<uint64_t>(records_.high_water()) * sizeof(Record); }

 private:
  struct Record {
    nic::Packet* packet = nullptr;
    uint32_t next = kNone;
    uint32_t previous = kNone;
    uint32_t free_next = kNone;
  };
  static_assert(sizeof(Record) == 24);

  void link(Transfer& transfer, nic::Packet* packet, uint32_t previous) noexcept;

  Slab<Record> records_;
};

}  // namespace sluice::tcp
