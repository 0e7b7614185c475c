#include "core/inspection.hpp"

#include <algorithm>
#include <cstring>

namespace sluice::core {

namespace {

queue::InspectMailbox& mailbox_of(queue::Region& region, uint32_t core) {
  return reinterpret_cast<queue::InspectMailbox*>(region.data(queue::kSectionInspect, queue::kSharedCore))[core];
}

}  // namespace

Inspection::Inspection(Parts& parts) noexcept : parts_(parts), answers_(mailbox_of(parts.region, parts.core)) {}

void Inspection::serve() {
  if (!answers_.asked()) return;
  queue::InspectMailbox& box = answers_.mailbox();
  // Another process writes there: whatever it holds, no more than the tables have is looked at and no more than a page is written.
  uint32_t slot = box.from;
  uint32_t count = 0;
  uint32_t rows = 0;
  uint32_t inspected = 0;
  const uint32_t end = parts_.table.high_water();
  for (; slot < end && count < queue::InspectMailbox::kRecords && rows < kRowsAtOnce && inspected < kInspectedAtOnce; ++slot, ++rows) {
    const ConnectionState state = parts_.table[slot].state;
    if (state == ConnectionState::kFree || state == ConnectionState::kGone) continue;
    ++inspected;
    StreamInfo stream{};
    if (!parts_.driver->inspect(slot, stream)) continue;
    if (matches(box, stream)) write(box.records[count++], slot, stream);
  }
  box.count = count;
  box.next = slot < end ? slot : queue::InspectMailbox::kEnd;
  answers_.answered();
}

bool Inspection::matches(const queue::InspectMailbox& asked, const StreamInfo& stream) const noexcept {
  if (asked.port != 0 && asked.port != stream.remote_port) return false;
  if (asked.family == 0) return true;
  return asked.family == stream.family && std::memcmp(asked.ip, stream.remote_ip, asked.family == 4 ? 4 : 16) == 0;
}

void Inspection::write(queue::InspectRecord& out, uint32_t slot, const StreamInfo& stream) const noexcept {
  const ConnectionRow& row = parts_.table[slot];
  const auto now_ds = static_cast<uint32_t>(parts_.now_us / ConnectionRow::kOpenedUnitUs);
  const uint64_t age_ms = static_cast<uint64_t>(now_ds - row.opened_ds) * (ConnectionRow::kOpenedUnitUs / 1000);
  out = {};
  out.slot = slot;
  out.generation = row.generation;
  out.state = static_cast<uint32_t>(row.state);
  out.age_ms = static_cast<uint32_t>(std::min<uint64_t>(age_ms, UINT32_MAX));
  out.queued = static_cast<uint32_t>(std::min<uint64_t>(parts_.outbox.queued(slot), UINT32_MAX));
  out.subscriptions = row.subscriptions;
  out.paused = row.paused() ? 1 : 0;
  out.stream = stream;
}

}  // namespace sluice::core
