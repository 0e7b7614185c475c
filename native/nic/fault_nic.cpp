#include "nic/fault_nic.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/assert.hpp"

namespace sluice::nic {

namespace {

constexpr uint32_t kEthernetBytes = 14;
constexpr uint8_t kRxVerdicts = kRxIpChecksumGood | kRxL4ChecksumGood | kRxChecksumBad;

uint32_t frame_bytes(const Packet* frame) {
  uint32_t bytes = 0;
  for (; frame != nullptr; frame = frame->next) bytes += frame->length;
  return bytes;
}

}  // namespace

// ---- one direction ----

bool FaultLane::loses() {
  if (burst_left_ > 0) {
    --burst_left_;
    return true;
  }
  if (options_.loss == 0 || !random_.chance(options_.loss)) return false;
  burst_left_ = options_.loss_burst > 0 ? options_.loss_burst - 1 : 0;
  return true;
}

uint64_t FaultLane::due_time(uint64_t now_us, bool reordered) {
  if (options_.stall != 0 && now_us >= stalled_until_us_ && random_.chance(options_.stall)) {
    stalled_until_us_ = now_us + options_.stall_for_us;
    ++counters_.stalls;
  }
  uint64_t due = now_us + options_.delay_us;
  if (options_.jitter_us != 0) due += random_.below(options_.jitter_us);
  due = std::max(due, stalled_until_us_);
  if (reordered) {
    ++counters_.reordered;
    return due + options_.reorder_by_us;
  }
  in_order_due_us_ = std::max(due, in_order_due_us_);
  return in_order_due_us_;
}

void FaultLane::damage(Held& held, bool corrupt, bool truncate) {
  if (truncate && held.bytes.size() > 1) {
    held.bytes.resize(1 + random_.below(static_cast<uint32_t>(held.bytes.size()) - 1));
    ++counters_.truncated;
  }
  if (corrupt) {
    // One byte only: a changed byte never leaves an Internet checksum as it was, two could.
    held.bytes[random_.below(static_cast<uint32_t>(held.bytes.size()))] ^= static_cast<uint8_t>(1 + random_.below(255));
    ++counters_.corrupted;
  }
  // What the device said about its checksums was said of other bytes.
  if (corrupt || truncate) held.head.flags &= static_cast<uint8_t>(~kRxVerdicts);
}

void FaultLane::hold(const Packet* frame, uint64_t due_us, bool corrupt, bool truncate) {
  const uint32_t bytes = frame_bytes(frame);
  if (held_bytes_ + bytes > hold_bytes_) {
    ++counters_.dropped_full;
    return;
  }
  Held held{due_us, order_++, {}, *frame};
  held.bytes.reserve(bytes);
  for (; frame != nullptr; frame = frame->next) held.bytes.insert(held.bytes.end(), frame->data, frame->data + frame->length);
  damage(held, corrupt, truncate);
  held_bytes_ += held.bytes.size();
  held_.push(std::move(held));
}

bool FaultLane::passes(const Packet* frame, uint64_t now_us) {
  if (idle()) return true;
  if (options_.drop_above != 0 && frame_bytes(frame) > options_.drop_above + kEthernetBytes) {
    ++counters_.dropped_size;
    return false;
  }
  const bool spared = options_.spare_below != 0 && frame_bytes(frame) < options_.spare_below + kEthernetBytes;
  if (!spared && loses()) {
    ++counters_.lost;
    return false;
  }
  const bool reordered = !spared && options_.reorder != 0 && random_.chance(options_.reorder);
  const bool corrupt = options_.corrupt != 0 && random_.chance(options_.corrupt);
  const bool truncate = options_.truncate != 0 && random_.chance(options_.truncate);
  const bool twice = options_.duplicate != 0 && random_.chance(options_.duplicate);
  const uint64_t due = due_time(now_us, reordered);
  if (twice) {
    ++counters_.duplicated;
    hold(frame, due, false, false);
  }
  ++counters_.passed;
  // Behind what is held back for this very moment nothing may pass.
  const bool waits = due > now_us || corrupt || truncate || twice || next_due_us() <= now_us;
  if (!waits) return true;
  hold(frame, due, corrupt, truncate);
  return false;
}

void FaultLane::pop() {
  held_bytes_ -= held_.top().bytes.size();
  held_.pop();
}

// ---- the device ----

FaultNic::FaultNic(Nic& inner, const Clock& clock, const FaultOptions& options)
    : inner_(inner),
      clock_(clock),
      capabilities_(inner.capabilities()),
      rx_(options.rx, options.seed * 2, options.hold_bytes),
      tx_(options.tx, options.seed * 2 + 1, options.hold_bytes) {
  if (!options.tx.any()) return;
  // What is spoilt on its way out has to be whole before, lest the device make it good again.
  capabilities_.tso = false;
  capabilities_.tx_ip_checksum = false;
  capabilities_.tx_l4_checksum = false;
}

void FaultNic::set(const FaultOptions& options) noexcept {
  SLUICE_ASSERT(!options.tx.any() || !capabilities_.tx_l4_checksum);
  rx_.set(options.rx);
  tx_.set(options.tx);
}

uint64_t FaultNic::next_due_us() const { return std::min(rx_.next_due_us(), tx_.next_due_us()); }

// The held frame in packets of the device's own memory; null where it has none free.
Packet* FaultNic::rebuild(const FaultLane::Held& held) noexcept {
  Packet* first = nullptr;
  Packet** link = &first;
  for (uint32_t at = 0; at < held.bytes.size();) {
    Packet* const packet = pool().allocate(1);
    if (packet == nullptr) {
      pool().unref_frame(first);
      return nullptr;
    }
    const uint32_t length = std::min<uint32_t>(packet->tailroom(), static_cast<uint32_t>(held.bytes.size()) - at);
    std::memcpy(packet->data, held.bytes.data() + at, length);
    packet->length = static_cast<uint16_t>(length);
    *link = packet;
    link = &packet->next;
    at += length;
  }
  first->flags = held.head.flags;
  first->l2_bytes = held.head.l2_bytes;
  first->l3_bytes = held.head.l3_bytes;
  first->l4_bytes = held.head.l4_bytes;
  first->segment_bytes = held.head.segment_bytes;
  first->vlan = held.head.vlan;
  return first;
}

uint32_t FaultNic::receive(Packet** frames, uint32_t max) noexcept {
  const uint64_t now = clock_.now_us();
  release_tx(now);
  if (rx_.idle()) return inner_.receive(frames, max);
  static constexpr uint32_t kBurst = 32;
  Packet* burst[kBurst];
  uint32_t count = 0;
  for (;;) {
    while (count < max && rx_.due(now)) {
      Packet* const frame = rebuild(rx_.front());
      if (frame == nullptr) {
        rx_.give_up();
        continue;
      }
      rx_.pop();
      frames[count++] = frame;
    }
    if (count == max) return count;
    const uint32_t got = inner_.receive(burst, std::min(kBurst, max - count));
    if (got == 0) return count;
    for (uint32_t i = 0; i < got; ++i) {
      if (rx_.passes(burst[i], now)) {
        frames[count++] = burst[i];
      } else {
        pool().unref_frame(burst[i]);
      }
    }
  }
}

void FaultNic::release_tx(uint64_t now_us) {
  while (tx_.due(now_us)) {
    Packet* frame = rebuild(tx_.front());
    if (frame == nullptr) {
      tx_.give_up();
      continue;
    }
    if (inner_.transmit(&frame, 1) == 0) {
      pool().unref_frame(frame);
      return;
    }
    tx_.pop();
  }
}

uint32_t FaultNic::transmit(Packet** frames, uint32_t count) noexcept {
  const uint64_t now = clock_.now_us();
  release_tx(now);
  if (tx_.idle()) return inner_.transmit(frames, count);
  for (uint32_t i = 0; i < count; ++i) {
    if (!tx_.passes(frames[i], now)) {
      pool().unref_frame(frames[i]);
    } else if (inner_.transmit(&frames[i], 1) == 0) {
      return i;
    }
  }
  release_tx(now);
  return count;
}

bool FaultNic::arm() noexcept {
  // Held frames come without an interrupt.
  return next_due_us() == UINT64_MAX && inner_.arm();
}

}  // namespace sluice::nic
