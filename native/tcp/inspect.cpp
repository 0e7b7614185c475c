#include <cstring>

#include "tcp/congestion.hpp"
#include "tcp/driver.hpp"
#include "tcp/rtt.hpp"

// What an operator is told of a connection.

namespace sluice::tcp {

namespace {

StreamState state_of(State state) noexcept {
  switch (state) {
    case State::kClosed:
      return StreamState::kClosed;
    case State::kSynSent:
      return StreamState::kSynSent;
    case State::kSynReceived:
      return StreamState::kSynReceived;
    case State::kEstablished:
      return StreamState::kEstablished;
    case State::kFinWait1:
      return StreamState::kFinWait1;
    case State::kFinWait2:
      return StreamState::kFinWait2;
    case State::kCloseWait:
      return StreamState::kCloseWait;
    case State::kClosing:
      return StreamState::kClosing;
    case State::kLastAck:
      return StreamState::kLastAck;
  }
  return StreamState::kUnknown;
}

StreamPhase phase_of(const Transfer& transfer) noexcept {
  switch (transfer.phase) {
    case Phase::kOpen:
      return transfer.sacked_packets != 0 || transfer.dupacks != 0 ? StreamPhase::kDisorder : StreamPhase::kOpen;
    case Phase::kReduced:
      return StreamPhase::kReduced;
    case Phase::kRecovery:
      return StreamPhase::kRecovery;
    case Phase::kLoss:
      return StreamPhase::kLoss;
  }
  return StreamPhase::kOpen;
}

void write_address(const net::IpAddress& address, uint8_t* out) noexcept {
  std::memcpy(out, address.is_v4() ? address.v4() : address.bytes, address.is_v4() ? 4 : 16);
}

void inspect_transfer(const Tcb& row, const Transfer& transfer, StreamInfo& out) noexcept {
  out.phase = phase_of(transfer);
  out.backoff = transfer.backoff;
  out.send_queue = transfer.write_end - row.snd_una;
  out.receive_queue = transfer.unread_bytes;
  out.out_of_order = transfer.held_bytes;
  out.lost = transfer.lost_bytes;
}

}  // namespace

bool Driver::inspect(StreamId id, StreamInfo& out) const {
  const Tcb* const row = const_cast<Stack&>(stack_).find_stream(id);
  if (row == nullptr) return false;
  const Transfer* const transfer = stack_.transfer_of(*row);
  out = StreamInfo{};
  out.family = row->remote.is_v4() ? 4 : 6;
  write_address(stack_.locals[row->local], out.local_ip);
  write_address(row->remote, out.remote_ip);
  out.local_port = row->local_port;
  out.remote_port = row->remote_port;
  out.state = state_of(row->state);
  out.flags = static_cast<uint8_t>((row->has(kTimestamps) ? kStreamTimestamps : 0) | (row->has(kSackOk) ? kStreamSack : 0) |
                                   (row->has(kWindowScaled) ? kStreamWindowScale : 0) | (row->has(kEcnOk) ? kStreamEcn : 0));
  out.send_shift = static_cast<uint8_t>(row->send_shift());
  out.receive_shift = static_cast<uint8_t>(row->receive_shift());
  out.mss = row->mss;
  out.cwnd = row->cwnd;
  out.ssthresh = row->ssthresh >= kNoThreshold ? UINT32_MAX : row->ssthresh;
  out.srtt_us = srtt_us(*row);
  out.rttvar_us = row->rttvar_us4 / 4;
  out.rto_us = rto_ms(stack_.options, *row, transfer == nullptr ? 0 : transfer->backoff) * 1000;
  out.send_window = row->snd_wnd;
  out.receive_window = row->receive_window();
  out.in_flight = row->in_flight();
  out.retransmits = row->retransmits;
  out.last_sent_ms = stack_.now_ms() - row->last_send_ms;
  out.last_received_ms = stack_.now_ms() - row->last_receive_ms;
  out.send_queue = row->in_flight();
  if (transfer != nullptr) inspect_transfer(*row, *transfer, out);
  return true;
}

}  // namespace sluice::tcp
