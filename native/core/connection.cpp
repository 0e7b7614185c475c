#include "core/connection.hpp"

#include "base/assert.hpp"

namespace sluice::core {

uint32_t ConnectionTable::allocate() {
  uint32_t slot;
  if (!free_.empty()) {
    slot = free_.back();
    free_.pop_back();
  } else if (high_water_ < capacity_) {
    slot = high_water_++;
  } else {
    return kNone;
  }
  ConnectionRow& row = rows_[slot];
  SLUICE_ASSERT(row.state == ConnectionState::kFree);
  const uint32_t generation = row.generation + 1;
  row = ConnectionRow{};
  row.generation = generation;
  ++in_use_;
  return slot;
}

void ConnectionTable::release(uint32_t slot) {
  ConnectionRow& row = rows_[slot];
  SLUICE_ASSERT(row.state != ConnectionState::kFree);
  SLUICE_ASSERT(row.message_address == 0 && row.stash_address == 0 && row.batch == 0 && row.queue == 0);
  row.state = ConnectionState::kFree;
  // Whoever still holds the old handle must not pass for the next owner's.
  ++row.generation;
  free_.push_back(slot);
  --in_use_;
}

}  // namespace sluice::core
