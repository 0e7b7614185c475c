#include "nic/sim_pool.hpp"

#include <algorithm>
#include <cstring>

#include "base/assert.hpp"

#if defined(__SANITIZE_ADDRESS__)
#define SLUICE_POISON 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SLUICE_POISON 1
#endif
#endif
#ifdef SLUICE_POISON
#include <sanitizer/asan_interface.h>
#endif

namespace sluice::nic {

SimPool::SimPool(uint32_t count, uint32_t data_bytes)
    : count_(count),
      buffer_bytes_((kHeadroom + data_bytes + 63) / 64 * 64),
      limit_(count),
      memory_(new uint8_t[static_cast<uint64_t>(count + kReserve) * buffer_bytes_]),
      packets_(count + kReserve),
      sending_(count + kReserve) {
  SLUICE_ASSERT(count > 0 && buffer_bytes_ <= UINT16_MAX);
  free_.reserve(count);
  reserve_.reserve(kReserve);
  for (uint32_t i = count + kReserve; i > 0; --i) {
    packets_[i - 1] = {};
    (i > count ? reserve_ : free_).push_back(i - 1);
    seal(i - 1);
  }
}

SimPool::~SimPool() {
#ifdef SLUICE_POISON
  __asan_unpoison_memory_region(memory_.get(), static_cast<uint64_t>(count_ + kReserve) * buffer_bytes_);
#endif
}

void SimPool::seal(uint32_t index) noexcept {
#ifdef SLUICE_POISON
  __asan_poison_memory_region(buffer_of(index), buffer_bytes_);
#else
  // Whoever reads on sees bytes that no check lets pass.
  std::memset(buffer_of(index), 0xdd, std::min<uint32_t>(buffer_bytes_, kHeadroom + 64));
#endif
}

bool SimPool::owns(const Packet* packet) const noexcept { return packet >= packets_.data() && packet < packets_.data() + packets_.size(); }

uint32_t SimPool::index_of(const Packet* packet) const noexcept {
  SLUICE_ASSERT(owns(packet));
  return static_cast<uint32_t>(packet - packets_.data());
}

uint32_t SimPool::free_count() const noexcept {
  const uint32_t out = in_use();
  return limit_ > out ? limit_ - out : 0;
}

Packet* SimPool::allocate(uint32_t bytes) noexcept {
  if (bytes <= kSmallBytes && free_count() == 0 && !reserve_.empty()) return take(reserve_);
  return allocate_received(bytes);
}

Packet* SimPool::allocate_received(uint32_t bytes) noexcept {
  return bytes <= buffer_bytes_ - kHeadroom && free_count() != 0 ? take(free_) : nullptr;
}

Packet* SimPool::take(std::vector<uint32_t>& list) noexcept {
  const uint32_t index = list.back();
  list.pop_back();
  uint8_t* const buffer = buffer_of(index);
#ifdef SLUICE_POISON
  __asan_unpoison_memory_region(buffer, buffer_bytes_);
#endif
  Packet& packet = packets_[index];
  SLUICE_ASSERT(packet.references == 0 && sending_[index] == 0);
  packet = {};
  packet.buffer = buffer;
  packet.data = buffer + kHeadroom;
  packet.buffer_bytes = static_cast<uint16_t>(buffer_bytes_);
  packet.references = 1;
  return &packet;
}

void SimPool::unref(Packet* packet) noexcept {
  const uint32_t index = index_of(packet);
  SLUICE_ASSERT(packet->references > 0);
  if (--packet->references > 0) return;
  SLUICE_ASSERT(sending_[index] == 0);
  seal(index);
  (index < count_ ? free_ : reserve_).push_back(index);
}

}  // namespace sluice::nic
