#pragma once

#include <cstdint>

#include "tcp/slab.hpp"
#include "tcp/tcb.hpp"

namespace sluice::tcp {

struct Stack;

// Rows that their application has let go of and that owe the peer a FIN and nothing else, or wait for the peer's. Such a row has neither
// packet nor transfer, so that all connections may close at once. Rows that wait equally long stand in one list, in order of time.
class OrphanLists {
 public:
  // The first: its FIN waits for a packet. The last: it waits for the peer's FIN. Between them: the pauses before the FIN is sent again.
  static constexpr uint8_t kLists = 11;
  static constexpr uint8_t kUnsent = 0;
  static constexpr uint8_t kFirstTry = 1;
  static constexpr uint8_t kLastTry = 9;
  static constexpr uint8_t kAwaitsFin = 10;

  explicit OrphanLists(Slab<Tcb>& rows) noexcept;

  void add(Tcb& row, uint8_t list, uint32_t due_ms) noexcept;
  void remove(Tcb& row) noexcept;
  // One whose time is over, or kNone. `unsent_too`: there are packets to send a FIN with.
  uint32_t due(uint32_t now_ms, bool unsent_too) const noexcept;
  bool next_due(uint32_t now_ms, uint32_t& due_ms) const noexcept;
  // The one whose loss would hurt least, or kNone.
  uint32_t expendable() const noexcept;
  uint32_t used() const noexcept { return used_; }
  // Of these the peers have acknowledged everything.
  uint32_t awaiting() const noexcept { return awaiting_; }

 private:
  Slab<Tcb>& rows_;
  uint32_t used_ = 0;
  uint32_t awaiting_ = 0;
  uint32_t first_[kLists];
  uint32_t last_[kLists];
};

// Sends the FIN of a row that has nothing else to say, and sees that it arrives.
void send_last_fin(Stack& stack, Tcb& row);
// The FIN has arrived, or is not waited for any more.
void last_fin_acknowledged(Stack& stack, Tcb& row);
// Only the peer's FIN is missing.
void await_fin(Stack& stack, Tcb& row);

// All rows are in use: the most expendable orphan makes room for a connection, as records do in TIME-WAIT. False where there is none.
bool evict_orphan(Stack& stack);

uint32_t run_orphans(Stack& stack);

}  // namespace sluice::tcp
