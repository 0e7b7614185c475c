#pragma once

#include <cstdint>

#include "tcp/arrival.hpp"
#include "tcp/stack.hpp"

// What of the bytes in flight has arrived, is lost, was sent again (RFC 6675 §3, §4).

namespace sluice::tcp {

// What one acknowledgement told.
struct Delivery {
  uint32_t acked = 0;            // cumulatively, in sequence space
  uint32_t delivered = 0;        // acked or newly sacked
  uint32_t rtt_us = 0;           // of something that was sent once; 0: none
  bool advanced = false;         // SND.UNA moved
  bool duplicate_reported = false;  // D-SACK
  bool original_arrived = false; // something arrived that was never sent again
  bool sacked = false;           // blocks brought news
  bool lost_arrived = false;     // something arrived that had been given up
};

// Marks what the SACK blocks of an acknowledgement name (RFC 2018 §5.1), and finds out about D-SACKs (RFC 2883 §4).
void apply_sacks(Stack& stack, Tcb& row, Transfer& transfer, const Arrival& arrival, Delivery& delivery);
// Takes what is acknowledged off the queue.
void take_acknowledged(Stack& stack, Tcb& row, Transfer& transfer, const Arrival& arrival, Delivery& delivery);

void mark_lost(Stack& stack, Transfer& transfer, nic::Packet* packet) noexcept;
// After a time-out: everything that is not known to have arrived (RFC 6298 §5.4, RFC 2018 §8).
void mark_all_lost(Stack& stack, Transfer& transfer) noexcept;
// What was given up is in flight again: the time-out or recovery was spurious.
void unmark_lost(Stack& stack, Transfer& transfer) noexcept;

}  // namespace sluice::tcp
