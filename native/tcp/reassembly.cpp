#include "tcp/reassembly.hpp"

#include <algorithm>
#include <cstring>

#include "tcp/sent_packet.hpp"
#include "tcp/window.hpp"

namespace sluice::tcp {

void trim_front(Stack& stack, Text& text, uint32_t bytes) noexcept {
  SLUICE_ASSERT(bytes <= text.bytes);
  text.seq += bytes;
  text.bytes -= bytes;
  while (text.frame != nullptr && (bytes != 0 || text.bytes == 0)) {
    if (bytes < text.frame->length && text.bytes != 0) {
      text.frame->pull(static_cast<uint16_t>(bytes));
      return;
    }
    bytes -= std::min<uint32_t>(bytes, text.frame->length);
    nic::Packet* const empty = text.frame;
    text.frame = empty->next;
    stack.packets.unref(empty);
  }
}

void trim_back(Stack& stack, Text& text, uint32_t bytes) noexcept {
  SLUICE_ASSERT(bytes <= text.bytes);
  text.bytes -= bytes;
  if (text.bytes == 0) return drop(stack, text);
  uint32_t left = text.bytes;
  nic::Packet* piece = text.frame;
  while (left > piece->length) {
    left -= piece->length;
    piece = piece->next;
  }
  piece->length = static_cast<uint16_t>(left);
  nic::Packet* const rest = piece->next;
  piece->next = nullptr;
  stack.packets.unref_frame(rest);
}

void drop(Stack& stack, Text& text) noexcept {
  stack.packets.unref_frame(text.frame);
  text.frame = nullptr;
  text.bytes = 0;
}

namespace {

// A segment of few bytes in a packet of two thousand costs a peer nothing and us the packet: small ones are put together.
constexpr uint32_t kCopyBelow = 512;

bool append(Stack& stack, nic::Packet* previous, Text& text) noexcept {
  const bool fits = previous != nullptr && held(previous).end() == text.seq && text.bytes <= kCopyBelow && previous->next == nullptr &&
                    previous->references == 1 && text.frame->next == nullptr && previous->tailroom() >= text.bytes;
  if (!fits) return false;
  std::memcpy(previous->data + previous->length, text.frame->data, text.bytes);
  previous->length = static_cast<uint16_t>(previous->length + text.bytes);
  held(previous).bytes += text.bytes;
  drop(stack, text);
  return true;
}

// Holes between tiny segments make long lists that every further segment is looked up in (CVE-2018-5390).
bool hostile(const Transfer& transfer) noexcept { return transfer.held_packets >= 64 && transfer.held_bytes / transfer.held_packets < 128; }

void note_block(Transfer& transfer, Seq begin, Seq end) noexcept {
  uint8_t kept = 0;
  wire::SackBlock others[wire::TcpOptions::kMaxSacks];
  for (uint8_t i = 0; i < transfer.block_count; ++i) {
    const wire::SackBlock& block = transfer.blocks[i];
    if (Seq{block.end} < begin || end < Seq{block.begin}) {
      others[kept++] = block;
      continue;
    }
    begin = earlier(begin, {block.begin});
    end = later(end, {block.end});
  }
  transfer.blocks[0] = {begin.raw, end.raw};
  transfer.blocks_forgotten = transfer.blocks_forgotten || kept == wire::TcpOptions::kMaxSacks;
  kept = std::min<uint8_t>(kept, wire::TcpOptions::kMaxSacks - 1);
  std::copy_n(others, kept, transfer.blocks + 1);
  transfer.block_count = static_cast<uint8_t>(kept + 1);
}

// RFC 2018 §4: the first block is all that lies around the new segment without a gap. Blocks beyond the last are not kept, so where
// there were more, those that a segment joins are found among the packets.
void report(Transfer& transfer, Seq begin, Seq end) noexcept {
  if (transfer.blocks_forgotten) {
    const nic::Packet* packet = transfer.unread_tail == nullptr ? transfer.held_head : transfer.unread_tail->link;
    while (packet != nullptr && held(packet).seq <= end) {
      const Seq run_begin = held(packet).seq;
      Seq run_end = run_begin;
      for (; packet != nullptr && held(packet).seq == run_end; packet = packet->link) run_end = held(packet).end();
      if (run_end < begin) continue;
      begin = earlier(begin, run_begin);
      end = later(end, run_end);
    }
  }
  note_block(transfer, begin, end);
}

void forget_blocks(Transfer& transfer, Seq rcv_nxt) noexcept {
  uint8_t kept = 0;
  for (uint8_t i = 0; i < transfer.block_count; ++i) {
    if (rcv_nxt < Seq{transfer.blocks[i].begin}) transfer.blocks[kept++] = transfer.blocks[i];
  }
  transfer.block_count = kept;
  if (transfer.held_packets == 0) transfer.blocks_forgotten = false;
}

void unlink_after(Transfer& transfer, nic::Packet* previous) noexcept {
  nic::Packet*& from = previous == nullptr ? transfer.held_head : previous->link;
  nic::Packet* const gone = from;
  from = gone->link;
  if (transfer.held_tail == gone) transfer.held_tail = previous;
}

void link_after(Transfer& transfer, nic::Packet* previous, nic::Packet* frame) noexcept {
  nic::Packet*& from = previous == nullptr ? transfer.held_head : previous->link;
  frame->link = from;
  from = frame;
  if (frame->link == nullptr) transfer.held_tail = frame;
}

// What follows the unread bytes without a gap is in order now.
void absorb(Stack& stack, Tcb& row, Transfer& transfer) noexcept {
  for (;;) {
    nic::Packet* const first = transfer.unread_tail == nullptr ? transfer.held_head : transfer.unread_tail->link;
    if (first == nullptr || held(first).seq != row.rcv_nxt) break;
    row.rcv_nxt = held(first).end();
    transfer.unread_bytes += held(first).bytes;
    transfer.held_bytes -= held(first).bytes;
    --transfer.held_packets;
    transfer.unread_tail = first;
    stack.counters.bytes_in += held(first).bytes;
  }
  forget_blocks(transfer, row.rcv_nxt);
}

// Where text goes: behind the packet that is returned (null: at the head). What earlier packets hold of it is cut off.
nic::Packet* place(Stack& stack, Transfer& transfer, Text& text, wire::SackBlock& duplicate) noexcept {
  nic::Packet* previous = transfer.unread_tail;
  if (transfer.held_tail != nullptr && held(transfer.held_tail).seq <= text.seq) {
    previous = transfer.held_tail;
  } else {
    for (;;) {
      nic::Packet* const next = previous == nullptr ? transfer.held_head : previous->link;
      if (next == nullptr || text.seq < held(next).seq) break;
      previous = next;
    }
  }
  if (previous == nullptr || held(previous).end() <= text.seq) return previous;
  const Seq known = earlier(held(previous).end(), text.end());
  duplicate = {text.seq.raw, known.raw};
  trim_front(stack, text, known - text.seq);
  return previous;
}

// What later packets hold of the text: those that it covers go, and it ends where one that reaches further begins.
void cut_behind(Stack& stack, Transfer& transfer, nic::Packet* previous, Text& text, wire::SackBlock& duplicate) noexcept {
  for (;;) {
    nic::Packet* const next = previous == nullptr ? transfer.held_head : previous->link;
    if (next == nullptr || text.end() <= held(next).seq) return;
    const Seq known = earlier(held(next).end(), text.end());
    if (duplicate.begin == duplicate.end) duplicate = {held(next).seq.raw, known.raw};
    if (text.end() < held(next).end()) return trim_back(stack, text, text.end() - held(next).seq);
    transfer.held_bytes -= held(next).bytes;
    --transfer.held_packets;
    --stack.gauges.packets_received;
    unlink_after(transfer, previous);
    stack.packets.unref_frame(next);
  }
}

}  // namespace

bool hold(Stack& stack, Tcb& row, Text& text, wire::SackBlock& duplicate) noexcept {
  Transfer* const transfer = attach_transfer(stack, row);
  // What is next in order is delivered before the next segment is looked at, and makes room by what it releases: it is always taken.
  const bool next = text.seq == row.rcv_nxt && transfer != nullptr && transfer->unread_bytes == 0;
  if (transfer == nullptr || (!next && (!may_hold(stack) || hostile(*transfer)))) {
    ++stack.counters.dropped_memory;
    drop(stack, text);
    return false;
  }
  const Seq begin = text.seq;
  const Seq end = text.end();
  nic::Packet* const previous = place(stack, *transfer, text, duplicate);
  if (text.frame != nullptr) cut_behind(stack, *transfer, previous, text, duplicate);
  if (text.frame == nullptr) {
    // RFC 2883 §4, step 2: the block that follows the report is the one that has it.
    report(*transfer, begin, end);
    return true;
  }
  const bool in_order = text.seq == row.rcv_nxt;
  const uint32_t bytes = text.bytes;
  nic::Packet* const frame = text.frame;
  if (append(stack, previous, text)) {
    if (previous == transfer->unread_tail) {
      row.rcv_nxt += bytes;
      transfer->unread_bytes += bytes;
      stack.counters.bytes_in += bytes;
    } else {
      transfer->held_bytes += bytes;
    }
  } else {
    held(frame) = {text.seq, bytes, {}};
    link_after(*transfer, previous, frame);
    transfer->held_bytes += bytes;
    ++transfer->held_packets;
    ++stack.gauges.packets_received;
    text.frame = nullptr;
  }
  if (!in_order) {
    report(*transfer, begin, end);
    ++stack.counters.out_of_order;
  }
  absorb(stack, row, *transfer);
  return true;
}

void discard_behind(Stack& stack, Transfer& transfer, Seq end) noexcept {
  nic::Packet* previous = transfer.unread_tail;
  nic::Packet* frame = previous == nullptr ? transfer.held_head : previous->link;
  for (; frame != nullptr && held(frame).end() <= end; frame = frame->link) previous = frame;
  if (frame == nullptr) return;
  (previous == nullptr ? transfer.held_head : previous->link) = nullptr;
  transfer.held_tail = previous;
  while (frame != nullptr) {
    nic::Packet* const next = frame->link;
    transfer.held_bytes -= held(frame).bytes;
    --transfer.held_packets;
    --stack.gauges.packets_received;
    stack.packets.unref_frame(frame);
    frame = next;
  }
  uint8_t kept = 0;
  for (uint8_t i = 0; i < transfer.block_count; ++i) {
    if (Seq{transfer.blocks[i].end} <= end) transfer.blocks[kept++] = transfer.blocks[i];
  }
  transfer.block_count = kept;
}

uint32_t sack_blocks(const Stack& stack, const Tcb& row, wire::SackBlock* out, uint32_t most) noexcept {
  const Transfer* const transfer = stack.transfer_of(row);
  if (transfer == nullptr) return 0;
  const uint32_t count = std::min<uint32_t>(transfer->block_count, most);
  std::copy_n(transfer->blocks, count, out);
  return count;
}

}  // namespace sluice::tcp
