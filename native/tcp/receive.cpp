#include "tcp/receive.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "tcp/acknowledge.hpp"
#include "tcp/closing.hpp"
#include "tcp/reassembly.hpp"
#include "tcp/sent_packet.hpp"
#include "tcp/transmit.hpp"
#include "tcp/window.hpp"

namespace sluice::tcp {

namespace {

// Copies into receive blocks and tells the application, piece by piece. Returns how many bytes it took: fewer where no block was
// free, where it paused in the middle, or where the stream ended.
uint32_t deliver_frame(Stack& stack, Tcb& row, nic::Packet* frame) {
  const StreamId id = row.stream;
  uint32_t delivered = 0;
  for (nic::Packet* piece = frame; piece != nullptr; piece = piece->next) {
    uint32_t offset = 0;
    while (offset < piece->length) {
      if (!stack.block.prepare()) return delivered;
      const uint32_t chunk = std::min<uint32_t>(piece->length - offset, stack.block.space());
      uint8_t* const at = stack.block.data();
      std::memcpy(at, piece->data + offset, chunk);
      stack.block.advance(chunk);
      offset += chunk;
      delivered += chunk;
      ++stack.driver_counters.receives;
      stack.driver_counters.bytes_received += chunk;
      stack.sink.on_data(id, at, chunk);
      stack.block.rewind_if_unshared();
      if (row.stream != id || row.has(kPaused)) return delivered;
    }
  }
  return delivered;
}

void tell_end(Stack& stack, Tcb& row) {
  if (!row.has(kFinReceived) || row.has(kEndTold) || row.has(kPaused) || row.stream == kNoStream) return;
  const Transfer* const transfer = stack.transfer_of(row);
  if (transfer != nullptr && transfer->unread_bytes != 0) return;
  row.set(kEndTold);
  stack.sink.on_end(row.stream);
}

// What an application that is gone will never read (RFC 9293 §3.6.1, RFC 2525 §2.17).
bool unwanted(const Tcb& row, const Text& text) noexcept {
  if (row.stream != kNoStream || text.bytes == 0 || text.end() <= row.rcv_nxt) return false;
  return row.state == State::kFinWait1 || row.state == State::kFinWait2;
}

// There is nothing behind a FIN: a peer that sent bytes there, before it or afterwards, made them up. Of several FINs that of the lowest
// number counts, as if all had come in order. Returns whether this segment's is that.
bool end_at_fin(Stack& stack, Tcb& row, Text& text, bool fin, Seq fin_at) {
  Transfer* const transfer = stack.transfer_of(row);
  if (transfer == nullptr) return fin;
  if (!transfer->fin_known || (fin && fin_at < transfer->fin_at)) {
    if (fin) discard_behind(stack, *transfer, fin_at);
    return fin;
  }
  if (text.bytes != 0 && transfer->fin_at < text.end()) trim_back(stack, text, std::min(text.bytes, text.end() - transfer->fin_at));
  return false;
}

// RFC 9293 §3.10.7.4, eighth.
void take_fin(Stack& stack, Tcb& row) {
  row.rcv_nxt += 1;
  row.rcv_edge = later(row.rcv_edge, row.rcv_nxt);
  row.set(kFinReceived);
  if (Transfer* const transfer = stack.transfer_of(row)) transfer->fin_known = false;
  owe_ack_now(stack, row);
  fin_received(stack, row);
}

void take_in_order(Stack& stack, Tcb& row, Text& text) {
  row.rcv_nxt = text.end();
  stack.counters.bytes_in += text.bytes;
  const uint32_t bytes = text.bytes;
  const uint32_t taken = deliver_frame(stack, row, text.frame);
  if (taken == bytes || row.has(kDying) || row.stream == kNoStream) return drop(stack, text);
  // What could not be delivered is acknowledged, or will be: it must be kept, whatever the limits say.
  trim_front(stack, text, taken);
  Transfer* const transfer = attach_transfer(stack, row);
  SLUICE_ASSERT(transfer != nullptr);
  held(text.frame) = {text.seq, text.bytes, {}};
  text.frame->link = transfer->held_head;
  if (transfer->held_head == nullptr) transfer->held_tail = text.frame;
  transfer->held_head = text.frame;
  transfer->unread_tail = text.frame;
  transfer->unread_bytes = text.bytes;
  ++stack.gauges.packets_received;
  if (!row.has(kPaused)) deliver_later(stack, row);
}

void note_size(Tcb& row, uint32_t bytes) noexcept {
  row.rcv_mss = static_cast<uint16_t>(std::min<uint32_t>(std::max<uint32_t>(row.rcv_mss, bytes), std::max<uint32_t>(row.mss, 536)));
}

// Whether text at rcv_nxt can go to the application without being kept first.
bool direct(const Stack& stack, const Tcb& row, const Text& text) noexcept {
  return text.seq == row.rcv_nxt && !row.has(kPaused) && keeps_nothing(stack, row);
}

void take_out_of_order(Stack& stack, Tcb& row, Text& text) {
  wire::SackBlock duplicate{0, 0};
  const Seq before = row.rcv_nxt;
  const Transfer* const known = stack.transfer_of(row);
  const bool gap = known != nullptr && known->held_packets != 0;
  if (gap || text.seq != row.rcv_nxt) expect_small_window(row);
  if (!hold(stack, row, text, duplicate)) {
    // The acknowledgement says what is still missing.
    send_ack(stack, row);
    return;
  }
  if (gap || row.rcv_nxt == before) expect_losses(row);
  const bool dup = duplicate.begin != duplicate.end;
  // RFC 5681 §4.2: at once for what is out of order and for what fills a gap, wholly or in part.
  if (dup || row.rcv_nxt == before) {
    if (!dup) return owe_ack_behind_gap(stack, row);
    send_ack(stack, row, &duplicate);
  } else if (gap) {
    owe_ack_now(stack, row);
  } else {
    owe_ack(stack, row);
  }
}

}  // namespace

void receive_next(Stack& stack, Tcb& row, Text text) {
  note_size(row, text.bytes);
  take_in_order(stack, row, text);
  if (row.has(kDying)) return;
  owe_ack(stack, row);
  grow_window(stack, row);
  const Transfer* const transfer = stack.transfer_of(row);
  if (transfer != nullptr && transfer->unread_bytes != 0) return deliver_unread(stack, row);
  detach_later(stack, row);
}

void receive_text(Stack& stack, Tcb& row, Text text, bool fin) {
  const Seq fin_at = text.end();
  if (text.bytes != 0) {
    note_size(row, text.bytes);
    if (text.seq < row.rcv_nxt) trim_front(stack, text, std::min(text.bytes, row.rcv_nxt - text.seq));
    if (text.bytes != 0 && row.rcv_edge < text.end()) {
      // Beyond what was promised nothing is taken, FIN included.
      trim_back(stack, text, std::min(text.bytes, text.end() - row.rcv_edge));
      fin = false;
      owe_ack_now(stack, row);
    }
  }
  fin = end_at_fin(stack, row, text, fin, fin_at);
  if (unwanted(row, text)) {
    drop(stack, text);
    return abort_row(stack, row);
  }
  if (text.bytes != 0 && direct(stack, row, text)) {
    take_in_order(stack, row, text);
    if (row.has(kDying)) return;
    owe_ack(stack, row);
  } else if (text.bytes != 0) {
    take_out_of_order(stack, row, text);
  } else {
    drop(stack, text);
  }
  if (fin && fin_at != row.rcv_nxt && row.rcv_nxt < fin_at) {
    // One that has nothing but a row keeps nothing: the FIN comes again.
    if (Transfer* const transfer = row.has(kInOrphanList) ? stack.transfer_of(row) : attach_transfer(stack, row)) {
      transfer->fin_known = true;
      transfer->fin_at = fin_at;
    }
    fin = false;
    owe_ack_now(stack, row);
  }
  Transfer* const transfer = stack.transfer_of(row);
  const bool due = fin ? fin_at == row.rcv_nxt : transfer != nullptr && transfer->fin_known && transfer->fin_at == row.rcv_nxt;
  if (due && !row.has(kFinReceived)) take_fin(stack, row);
  if (row.has(kDying)) return;
  grow_window(stack, row);
  deliver_unread(stack, row);
}

void deliver_unread(Stack& stack, Tcb& row) {
  const bool had = row.has_transfer() && stack.transfers[row.transfer].unread_bytes != 0;
  while (!row.has(kPaused) && row.stream != kNoStream) {
    Transfer* transfer = stack.transfer_of(row);
    if (transfer == nullptr || transfer->unread_bytes == 0) break;
    // Taken out first: the application may close the stream, and with it everything that is kept.
    nic::Packet* const frame = transfer->held_head;
    Text text{frame, held(frame).seq, held(frame).bytes};
    transfer->held_head = frame->link;
    if (transfer->held_tail == frame) transfer->held_tail = nullptr;
    if (transfer->unread_tail == frame) transfer->unread_tail = nullptr;
    transfer->unread_bytes -= text.bytes;
    --stack.gauges.packets_received;
    const uint32_t bytes = text.bytes;
    const uint32_t taken = deliver_frame(stack, row, frame);
    if (taken == bytes || row.has(kDying) || row.stream == kNoStream) {
      drop(stack, text);
      continue;
    }
    trim_front(stack, text, taken);
    transfer = stack.transfer_of(row);
    held(text.frame) = {text.seq, text.bytes, {}};
    text.frame->link = transfer->held_head;
    if (transfer->held_head == nullptr) transfer->held_tail = text.frame;
    if (transfer->unread_tail == nullptr) transfer->unread_tail = text.frame;
    transfer->held_head = text.frame;
    transfer->unread_bytes += text.bytes;
    ++stack.gauges.packets_received;
    if (!row.has(kPaused)) deliver_later(stack, row);
    break;
  }
  if (row.has(kDying)) return;
  tell_end(stack, row);
  if (!row.has(kDying)) settle(stack, row);
  if (row.has(kDying)) return;
  if (had && window_update_due(stack, row)) owe_ack_now(stack, row);
  detach_later(stack, row);
}

void deliver_later(Stack& stack, Tcb& row) {
  if (row.has(kInReadList)) return;
  row.set(kInReadList);
  stack.read_list.push_back(stack.row_of(row));
}

uint32_t run_read_list(Stack& stack) {
  if (stack.read_list.empty()) return 0;
  std::vector<uint32_t> list;
  list.swap(stack.read_list);
  uint32_t starved = 0;
  for (const uint32_t index : list) {
    Tcb& row = stack.rows[index];
    unlist(stack, row, kInReadList);
    if (row.has(kDying)) continue;
    deliver_unread(stack, row);
    if (row.has(kInReadList)) ++starved;
  }
  if (starved != 0) {
    ++stack.driver_counters.receive_exhausted;
    stack.sink.on_notice(NoticeKind::kReceiveExhausted, ENOBUFS);
  }
  return static_cast<uint32_t>(list.size()) - starved;
}

}  // namespace sluice::tcp
