#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace sluice::nic {

// What happens to the frames of one direction. Probabilities in millionths, times in microseconds.
struct FaultDirection {
  uint32_t loss = 0;
  uint32_t loss_burst = 1;  // frames lost in a row, once one is
  uint32_t duplicate = 0;
  uint32_t corrupt = 0;   // one byte is changed, which every checksum finds
  uint32_t truncate = 0;  // the end is cut off
  uint32_t reorder = 0;   // held back by reorder_by_us while others pass
  uint32_t reorder_by_us = 2'000;
  uint32_t delay_us = 0;
  uint32_t jitter_us = 0;  // added to the delay, evenly spread; order is kept
  uint32_t stall = 0;      // nothing passes for stall_for_us, then everything that waited
  uint32_t stall_for_us = 200'000;
  uint32_t drop_above = 0;  // IP bytes above which a frame is lost without a word; 0: none
  // IP bytes below which a frame is neither lost nor reordered, nor counts for the seed: what carries no data. However many of those pass,
  // the same seed picks the same of the others.
  uint32_t spare_below = 0;

  bool any() const noexcept { return loss + duplicate + corrupt + truncate + reorder + delay_us + jitter_us + stall + drop_above != 0; }
};

struct FaultOptions {
  FaultDirection rx;
  FaultDirection tx;
  uint64_t seed = 1;
  uint32_t hold_bytes = 64u << 20;  // that delayed frames may take; above, they are lost
};

// Reads "loss=1%,delay=50ms,tx.reorder=3%,seed=7" into `out`. A key without "rx." or "tx." is for both directions. False with the
// reason, the place and what is allowed in `error`; `out` is not changed then.
bool parse_faults(std::string_view text, FaultOptions& out, std::string& error);

}  // namespace sluice::nic
