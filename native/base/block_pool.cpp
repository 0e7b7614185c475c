#include "base/block_pool.hpp"

#include <bit>

namespace sluice {

BlockPool::BlockPool(uint8_t* memory, uint32_t block_size, uint32_t count)
    : memory_(memory), block_size_(block_size), block_shift_(static_cast<uint32_t>(std::countr_zero(block_size))), count_(count),
      refs_(count, 0) {
  SLUICE_ASSERT(memory != nullptr && count > 0);
  SLUICE_ASSERT(std::has_single_bit(block_size));
  free_.reserve(count);
  for (uint32_t block = count; block-- > 0;) free_.push_back(block);
}

uint32_t BlockPool::acquire() noexcept {
  if (free_.empty()) return kNone;
  const uint32_t block = free_.back();
  free_.pop_back();
  SLUICE_ASSERT(refs_[block] == 0);
  refs_[block] = 1;
  return block;
}

}  // namespace sluice
