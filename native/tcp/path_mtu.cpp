#include "tcp/path_mtu.hpp"

#include <algorithm>
#include <cerrno>

#include "tcp/closing.hpp"
#include "tcp/connect.hpp"
#include "tcp/scoreboard.hpp"
#include "tcp/send.hpp"
#include "tcp/sent_packet.hpp"

namespace sluice::tcp {

namespace {

constexpr uint32_t kLeastMtuV4 = 576;   // RFC 9293 §3.7.1; below, an ICMP error is more likely an attack (RFC 5927 §7.2)
constexpr uint32_t kLeastMtuV6 = 1280;  // RFC 8200 §5

uint32_t header_bytes(const Tcb& row) noexcept { return (row.remote.is_v4() ? 40u : 60u) + (row.has(kTimestamps) ? 12u : 0u); }

// RFC 1191 §7.1: where a router did not say, the next lower of the sizes that are in use.
uint32_t plateau_below(uint32_t mtu) noexcept {
  static constexpr uint32_t kPlateaus[] = {32'000, 17'914, 8'166, 4'352, 2'002, 1'492, 1'006, 576};
  for (const uint32_t plateau : kPlateaus) {
    if (plateau < mtu) return plateau;
  }
  return kLeastMtuV4;
}

void reduce_mss(Tcb& row, uint32_t mtu) noexcept {
  const uint32_t mss = mtu - header_bytes(row);
  // The window stays what it is in bytes: nothing was lost for want of bandwidth.
  row.mss = static_cast<uint16_t>(mss);
  row.set(kPathMtuLearned);
  row.clear(kPathMtuAged);
}

void too_big(Stack& stack, Tcb& row, Transfer& transfer, uint32_t mtu) {
  const uint32_t now = row.mss + header_bytes(row);
  if (mtu == 0) mtu = plateau_below(now);
  mtu = std::max(mtu, row.remote.is_v4() ? kLeastMtuV4 : kLeastMtuV6);
  if (mtu >= now) {
    ++stack.counters.icmp_ignored;
    return;
  }
  ++stack.counters.path_mtu_reductions;
  reduce_mss(row, mtu);
  // RFC 1191 §6.5: what was dropped is sent again at once in smaller pieces; it is no sign of congestion.
  for (nic::Packet* packet = transfer.send_head; packet != nullptr && sent(packet).has(kTransmitted); packet = packet->link) {
    const SentPacket& info = sent(packet);
    if (info.bytes > row.mss && !info.has(kSacked)) mark_lost(stack, transfer, packet);
  }
  push_out(stack, row);
}

}  // namespace

void take_icmp_error(Stack& stack, Tcb& row, const net::IcmpError& error) {
  Transfer* const transfer = stack.transfer_of(row);
  const bool in_flight = Seq{error.quoted_seq}.in(row.snd_una, std::max(row.in_flight(), 1u)) && row.in_flight() != 0;
  if (!in_flight || transfer == nullptr) {
    ++stack.counters.icmp_ignored;
    return;
  }
  if (error.kind == net::IcmpError::Kind::kTooBig) return too_big(stack, row, *transfer, error.mtu);
  // RFC 5927 §5.2: an established connection is not ended by what anybody could have sent; one that is being opened is.
  if (error.kind == net::IcmpError::Kind::kUnreachableHard && row.state == State::kSynSent) {
    ++stack.counters.open_failures;
    return fail_row(stack, row, ECONNREFUSED);
  }
  ++stack.counters.icmp_ignored;
}

void find_black_hole(Stack& stack, Tcb& row, Transfer& transfer) {
  const SentPacket& head = sent(transfer.send_head);
  const uint32_t headers = header_bytes(row);
  const bool v4 = row.remote.is_v4();
  // First what every tunnel passes, then the least that there is.
  const uint32_t size = head.bytes + headers;
  uint32_t mtu = 0;
  if (size > 1280) {
    mtu = 1280;
  } else if (v4 && transfer.backoff >= 5 && size > kLeastMtuV4) {
    mtu = kLeastMtuV4;
  }
  if (mtu == 0 || mtu >= row.mss + headers) return;
  ++stack.counters.black_holes;
  reduce_mss(row, mtu);
  row.set(kPathMtuGuessed);
}

bool PathMtuAging::next_due(const Stack& stack, uint64_t now_us, uint64_t& due_us) const noexcept {
  if (pass_ms_ == 0 || stack.counters.path_mtu_reductions == 0) return false;
  due_us = std::max(due_us_, now_us);
  return true;
}

void PathMtuAging::run(Stack& stack) {
  if (pass_ms_ == 0 || stack.counters.path_mtu_reductions == 0 || stack.now_us < due_us_) return;
  const uint32_t rows = stack.rows.high_water();
  const uint32_t some = std::min(rows, kRowsAtOnce);
  // All rows in one pass; a walk that has just begun waits for its first step as well, or what was just learned would count as old.
  const uint64_t step_us = static_cast<uint64_t>(pass_ms_) * 1000 * some / std::max(rows, 1u);
  const bool first = due_us_ == 0;
  due_us_ = stack.now_us + std::max<uint64_t>(step_us, 1000);
  if (first) return;
  for (uint32_t i = 0; i < some; ++i) {
    if (at_ >= rows) at_ = 0;
    Tcb& row = stack.rows[at_++];
    if ((row.flags & (kUsed | kDying | kPathMtuLearned | kPathMtuGuessed)) == (kUsed | kPathMtuLearned)) look_at(stack, row);
  }
}

void PathMtuAging::look_at(Stack& stack, Tcb& row) {
  if (row.has(kInOrphanList)) return;  // it sends no more
  if (!row.has(kPathMtuAged)) return row.set(kPathMtuAged);
  row.clear(kPathMtuAged);
  row.clear(kPathMtuLearned);
  const uint16_t mss = largest_segment(stack, row.remote, row.peer_mss, row.has(kTimestamps));
  if (mss <= row.mss) return;
  ++stack.counters.path_mtu_raises;
  row.mss = mss;
}

}  // namespace sluice::tcp
