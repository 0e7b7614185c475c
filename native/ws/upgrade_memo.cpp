#include "ws/upgrade_memo.hpp"

#include <cstring>

#include "base/assert.hpp"
#include "ws/base64.hpp"

namespace sluice::ws {

namespace {

constexpr uint32_t kKeyBytes = 24;

}  // namespace

bool UpgradeMemo::recall(const uint8_t* data, uint32_t length, RequestHead& out) const noexcept {
  for (const Entry& entry : entries_) {
    const uint32_t bytes = entry.head.head_bytes;
    const uint32_t behind = entry.key_at + kKeyBytes;
    if (bytes == 0 || length < bytes || std::memcmp(data, entry.bytes.data(), entry.key_at) != 0) continue;
    if (std::memcmp(data + behind, entry.bytes.data() + behind, bytes - behind) != 0) continue;
    const char* const text = reinterpret_cast<const char*>(data);
    const std::string_view key(text + entry.key_at, kKeyBytes);
    // With its own faults it is parsed like any other.
    if (!base64_of_16_bytes(key)) return false;
    out = entry.head;
    out.key = key;
    out.target = {text + entry.target_at, entry.target_bytes};
    return true;
  }
  return false;
}

void UpgradeMemo::remember(const uint8_t* data, const RequestHead& head) noexcept {
  if (head.head_bytes > kMaxBytes) return;
  const char* const text = reinterpret_cast<const char*>(data);
  SLUICE_ASSERT(head.key.size() == kKeyBytes && head.key.data() > text && head.target.data() > text);
  Entry& entry = entries_[next_];
  next_ = (next_ + 1) % kHeads;
  entry.head = head;
  entry.head.key = {};
  entry.head.target = {};
  entry.key_at = static_cast<uint32_t>(head.key.data() - text);
  entry.target_at = static_cast<uint32_t>(head.target.data() - text);
  entry.target_bytes = static_cast<uint32_t>(head.target.size());
  std::memcpy(entry.bytes.data(), data, head.head_bytes);
}

}  // namespace sluice::ws
