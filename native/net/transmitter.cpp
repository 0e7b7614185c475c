#include "net/transmitter.hpp"

#include <algorithm>

namespace sluice::net {

Transmitter::~Transmitter() {
  for (; head_ != tail_; ++head_) nic_.pool().unref_frame(frames_[head_ & kMask]);
}

// False when the frame was dropped.
bool Transmitter::make_room(nic::Packet* frame) {
  if (!full_) flush();
  if (waiting() != kQueue) return true;
  ++counters_.unsent_device_full;
  nic_.pool().unref_frame(frame);
  return false;
}

void Transmitter::flush() {
  gatherer_.end();
  while (head_ != tail_) {
    const uint32_t at = head_ & kMask;
    // A device that was full is asked with one frame: preparing many for nothing, turn after turn, costs more than all other work.
    const uint32_t count = full_ ? 1 : std::min({waiting(), kQueue - at, kBurst});
    full_ = false;
    nic::Packet** const burst = &frames_[at];
    // What the device takes is not ours to touch afterwards.
    for (uint32_t i = 0; i < count; ++i) unmark_waiting(burst[i]);
    const uint32_t taken = nic_.transmit(burst, count);
    counters_.frames_out += taken;
    head_ += taken;
    if (__builtin_expect(taken == count, 1)) continue;
    for (uint32_t i = taken; i < count; ++i) mark_waiting(burst[i]);
    full_ = true;
    return;
  }
  // Only the beginning is in the cache, as long as little waits.
  head_ = tail_ = 0;
}

}  // namespace sluice::net
