#include "tcp/orphans.hpp"

#include <algorithm>
#include <iterator>

#include "tcp/closing.hpp"
#include "tcp/retransmit_timer.hpp"
#include "tcp/rtt.hpp"
#include "tcp/transmit.hpp"

namespace sluice::tcp {

namespace {

// Doubled each time (RFC 6298 §5.5); 123 s together, where RFC 9293 §3.8.3 asks for 100 at least.
constexpr uint32_t kPausesMs[OrphanLists::kLists] = {10, 250, 500, 1000, 2000, 4000, 8000, 16'000, 32'000, 60'000, 0};
constexpr uint32_t kAtOnceMax = 256;      // bounds what one turn spends on them
constexpr uint32_t kEvictionTriesMax = 8;

void wait_in(Stack& stack, Tcb& row, uint8_t list) noexcept {
  const bool awaits = list == OrphanLists::kAwaitsFin;
  const uint32_t pause_ms = awaits ? stack.options.fin_wait2_ms : std::min(kPausesMs[list], stack.options.rto_max_ms);
  stack.orphans.add(row, list, stack.now_ms() + pause_ms);
}

// Before the row's fields become the list's: no sooner than the path's round trip allows (RFC 6298 §2).
uint8_t first_pause(const Stack& stack, const Tcb& row) noexcept {
  const uint32_t rto = std::max(rto_ms(stack.options, row, 0), stack.late_acks.least_ms(stack.now_ms()));
  uint8_t list = OrphanLists::kFirstTry;
  while (list < OrphanLists::kLastTry - 2 && kPausesMs[list] < rto) ++list;
  return list;
}

// The last eighth of the packets is for what keeps connections alive.
bool packet_to_spare(const Stack& stack) noexcept { return stack.packets.free_count() > stack.packets_total / 8; }

void give_up(Stack& stack, Tcb& row) {
  ++stack.counters.timeouts;
  if (!end_in_peace(stack, row)) abort_row(stack, row);
}

void fin_again(Stack& stack, Tcb& row, uint8_t list) {
  if (list == OrphanLists::kLastTry) return give_up(stack, row);
  ++stack.counters.retransmit_timeouts;
  ++stack.counters.retransmits;
  row.count_retransmit();
  if (list >= OrphanLists::kFirstTry + kAdviceRetries) stack.ip.doubt(row.remote);
  send_fin(stack, row);
  stack.orphans.remove(row);
  wait_in(stack, row, static_cast<uint8_t>(list + 1));
}

void run_one(Stack& stack, Tcb& row) {
  const auto list = static_cast<uint8_t>(row.orphan_list);
  if (list == OrphanLists::kAwaitsFin) return close_row(stack, row);
  if (list != OrphanLists::kUnsent) return fin_again(stack, row, list);
  stack.orphans.remove(row);
  send_fin(stack, row);
  wait_in(stack, row, first_pause(stack, row));
}

}  // namespace

// ---- the lists ----

OrphanLists::OrphanLists(Slab<Tcb>& rows) noexcept : rows_(rows) {
  std::fill(std::begin(first_), std::end(first_), kNone);
  std::fill(std::begin(last_), std::end(last_), kNone);
}

void OrphanLists::add(Tcb& row, uint8_t list, uint32_t due_ms) noexcept {
  SLUICE_ASSERT(list < kLists && !row.has(kInOrphanList));
  const uint32_t index = rows_.index_of(row);
  row.set(kInOrphanList);
  row.orphan_list = list;
  row.orphan_due_ms = due_ms;
  row.orphan_next = kNone;
  row.orphan_previous = last_[list];
  (last_[list] == kNone ? first_[list] : rows_[last_[list]].orphan_next) = index;
  last_[list] = index;
  ++used_;
  if (list == kAwaitsFin) ++awaiting_;
}

void OrphanLists::remove(Tcb& row) noexcept {
  SLUICE_ASSERT(row.has(kInOrphanList));
  (row.orphan_previous == kNone ? first_[row.orphan_list] : rows_[row.orphan_previous].orphan_next) = row.orphan_next;
  (row.orphan_next == kNone ? last_[row.orphan_list] : rows_[row.orphan_next].orphan_previous) = row.orphan_previous;
  row.clear(kInOrphanList);
  --used_;
  if (row.orphan_list == kAwaitsFin) --awaiting_;
}

uint32_t OrphanLists::due(uint32_t now_ms, bool unsent_too) const noexcept {
  if (used_ == 0) return kNone;
  for (uint32_t list = unsent_too ? kUnsent : kFirstTry; list < kLists; ++list) {
    const uint32_t index = first_[list];
    if (index != kNone && !clock_before(now_ms, rows_[index].orphan_due_ms)) return index;
  }
  return kNone;
}

bool OrphanLists::next_due(uint32_t now_ms, uint32_t& due_ms) const noexcept {
  bool any = false;
  for (uint32_t list = 0; list < kLists; ++list) {
    const uint32_t index = first_[list];
    if (index == kNone) continue;
    if (list == kUnsent) {
      // What it waits for is a packet; when there is one is not known.
      due_ms = now_ms + 1;
      any = true;
      continue;
    }
    if (!any || clock_before(rows_[index].orphan_due_ms, due_ms)) due_ms = rows_[index].orphan_due_ms;
    any = true;
  }
  return any;
}

uint32_t OrphanLists::expendable() const noexcept {
  // A peer of which only the FIN is missing has all that was said to it. Then those that have been silent for longest.
  for (uint32_t list = kLists; list-- != 0;) {
    if (first_[list] != kNone) return first_[list];
  }
  return kNone;
}

// ---- what becomes of them ----

void send_last_fin(Stack& stack, Tcb& row) {
  SLUICE_ASSERT(row.transfer == kNone && row.in_flight() == 0 && row.stream == kNoStream);
  row.snd_nxt += 1;
  if (!packet_to_spare(stack)) {
    ++stack.counters.send_no_packet;
    return wait_in(stack, row, OrphanLists::kUnsent);
  }
  send_fin(stack, row);
  wait_in(stack, row, first_pause(stack, row));
}

void last_fin_acknowledged(Stack& stack, Tcb& row) {
  row.snd_una = row.snd_nxt;
  stack.orphans.remove(row);
  fin_acknowledged(stack, row);
}

void await_fin(Stack& stack, Tcb& row) { wait_in(stack, row, OrphanLists::kAwaitsFin); }

bool evict_orphan(Stack& stack) {
  for (uint32_t tries = 0; tries < kEvictionTriesMax; ++tries) {
    const uint32_t index = stack.orphans.expendable();
    if (index == kNone) return false;
    Tcb& row = stack.rows[index];
    ++stack.counters.orphans_killed;
    if (row.state == State::kFinWait2) {
      close_row(stack, row);
    } else {
      abort_row(stack, row);
    }
    // Nobody is in the middle of it, for it has no application: its row is free at once, unless a list still names it.
    if ((row.flags & kListed) != 0) continue;
    SLUICE_ASSERT(stack.dying.back() == index);
    stack.dying.pop_back();
    row.flags = 0;
    stack.rows.release(index);
    return true;
  }
  return false;
}

uint32_t run_orphans(Stack& stack) {
  uint32_t done = 0;
  while (done < kAtOnceMax) {
    // Those whose FIN was not sent yet stay where they are while there is no packet for it: there may be as many as connections.
    const uint32_t index = stack.orphans.due(stack.now_ms(), packet_to_spare(stack));
    if (index == kNone) return done;
    run_one(stack, stack.rows[index]);
    ++done;
  }
  return done;
}

}  // namespace sluice::tcp
