#include "base/buddy.hpp"

#include <bit>

#include "base/assert.hpp"

namespace sluice {

Buddy::Buddy(uint8_t* memory, uint32_t bytes) : memory_(memory), bytes_(bytes) {
  SLUICE_ASSERT(memory != nullptr);
  SLUICE_ASSERT(std::has_single_bit(bytes) && bytes >= kMinBytes);
  const uint32_t units = bytes / kMinBytes;
  orders_ = static_cast<uint32_t>(std::countr_zero(units)) + 1;
  tags_.assign(units, kInside);
  free_position_.assign(units, 0);
  free_.resize(orders_);
  push_free(0, orders_ - 1);
}

uint32_t Buddy::order_for(uint32_t bytes) const noexcept {
  if (bytes <= kMinBytes) return 0;
  const uint32_t units = (bytes - 1) / kMinBytes + 1;
  return static_cast<uint32_t>(std::bit_width(units - 1));
}

void Buddy::push_free(uint32_t unit, uint32_t order) noexcept {
  tags_[unit] = static_cast<uint8_t>(kFree | order);
  free_position_[unit] = static_cast<uint32_t>(free_[order].size());
  free_[order].push_back(unit);
}

void Buddy::remove_free(uint32_t unit, uint32_t order) noexcept {
  auto& list = free_[order];
  const uint32_t position = free_position_[unit];
  SLUICE_ASSERT(position < list.size() && list[position] == unit);
  list[position] = list.back();
  free_position_[list[position]] = position;
  list.pop_back();
  tags_[unit] = kInside;
}

uint32_t Buddy::allocate(uint32_t bytes) noexcept {
  if (bytes > bytes_) return kNone;
  const uint32_t wanted = order_for(bytes);
  uint32_t order = wanted;
  while (order < orders_ && free_[order].empty()) ++order;
  if (order >= orders_) return kNone;
  const uint32_t unit = free_[order].back();
  remove_free(unit, order);
  while (order > wanted) {
    --order;
    push_free(unit + (1u << order), order);
  }
  tags_[unit] = static_cast<uint8_t>(wanted);
  used_bytes_ += kMinBytes << wanted;
  return unit * kMinBytes;
}

void Buddy::free(uint32_t offset) noexcept {
  SLUICE_ASSERT(offset % kMinBytes == 0 && offset < bytes_);
  uint32_t unit = offset / kMinBytes;
  uint32_t order = tags_[unit];
  SLUICE_ASSERT(order < orders_);
  used_bytes_ -= kMinBytes << order;
  tags_[unit] = kInside;
  while (order + 1 < orders_) {
    const uint32_t buddy = unit ^ (1u << order);
    if (tags_[buddy] != (kFree | order)) break;
    remove_free(buddy, order);
    unit &= ~(1u << order);
    ++order;
  }
  push_free(unit, order);
}

uint32_t Buddy::capacity(uint32_t offset) const noexcept {
  const uint32_t order = tags_[offset / kMinBytes];
  SLUICE_ASSERT(order < orders_);
  return kMinBytes << order;
}

}  // namespace sluice
