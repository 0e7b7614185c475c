#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "queue/counters.hpp"
#include "queue/inspect.hpp"
#include "queue/records.hpp"
#include "queue/ring.hpp"

// The shared region: one mapping that holds everything that native code, the control plane and inspectors have in common. It
// holds offsets, never pointers, so that every process may map it where it likes. src/engine/layout.ts is made from this.

namespace sluice::queue {

inline constexpr uint64_t kMagic = 0x0001'4543'4955'4c53;  // "SLUICE" and a format byte, little-endian
inline constexpr uint32_t kLayoutVersion = 4;
// Grows when what a control plane leaves in notes for its successor changes its meaning.
inline constexpr uint32_t kNoteVersion = 2;

enum SectionKind : uint32_t {
  kSectionCounters = 1,
  kSectionEventRing = 2,     // RingHeader, then records
  kSectionCommandRing = 3,   // RingHeader, then records
  kSectionCommandData = 4,   // bytes
  kSectionReceive = 6,       // receive blocks
  kSectionAssembly = 7,      // messages that span receive blocks
  kSectionArena = 8,         // the control plane's frames: chunks
  kSectionInspect = 9,       // an InspectMailbox for each core
};

struct Section {
  uint32_t kind;
  uint32_t core;  // UINT32_MAX: shared by all
  uint64_t offset;
  uint64_t size;
  uint32_t element_size;
  uint32_t element_count;
};
static_assert(sizeof(Section) == 32);

inline constexpr uint32_t kMaxCores = 64;
// Six of each core; arena and mailbox.
inline constexpr uint32_t kMaxSections = kMaxCores * 6 + 2;
inline constexpr uint32_t kSharedCore = UINT32_MAX;

struct RegionHeader {
  uint64_t magic;  // written last: a region without it is not ready
  uint32_t version;
  uint32_t layout_hash;
  uint64_t size;
  uint32_t cores;
  uint32_t connections_per_core;
  uint32_t section_count;
  uint32_t engine_pid;
  uint64_t engine_started_ms;             // Unix time
  std::atomic<uint32_t> owner_epoch;      // grows with each control plane that takes the region over
  std::atomic<uint32_t> owner_pid;
  char name[64];
  char driver[16];
  char driver_reason[192];                // why it is not the preferred one; empty otherwise
  char listen_address[64];                // numeric
  uint32_t listen_port;
  uint32_t detached;                      // 1: the engine is a process of its own
  uint32_t max_message;                   // what the engine was told: a control plane that attaches goes by it
  uint32_t send_budget;
  uint32_t heartbeat_ms;
  uint8_t reserved[44];
  Section sections[kMaxSections];
};
static_assert(offsetof(RegionHeader, sections) == 456);

inline constexpr uint32_t kHeaderBytes = 16384;
inline constexpr uint32_t kPageBytes = 4096;
static_assert(sizeof(RegionHeader) <= kHeaderBytes && kHeaderBytes % kPageBytes == 0);

// FNV-1a over everything that both sides must agree on. Two builds with the same hash can share a region.
constexpr uint32_t layout_hash() noexcept {
  constexpr uint64_t parts[] = {
      kLayoutVersion, kNoteVersion, sizeof(RegionHeader), offsetof(RegionHeader, sections), offsetof(RegionHeader, owner_epoch),
      offsetof(RegionHeader, listen_address), offsetof(RegionHeader, heartbeat_ms),
      sizeof(Section), sizeof(Record), offsetof(Record, generation), offsetof(Record, c), sizeof(RingHeader),
      offsetof(RingHeader, tail), offsetof(RingHeader, consumer_sleeping), kCounterCount, kCounterSlots, kEventNotice,
      kCommandMark, kSectionInspect, sizeof(InspectMailbox), sizeof(InspectRecord), sizeof(StreamInfo)};
  uint32_t hash = 2166136261u;
  for (const uint64_t part : parts) {
    for (unsigned shift = 0; shift < 64; shift += 8) hash = (hash ^ static_cast<uint8_t>(part >> shift)) * 16777619u;
  }
  return hash;
}

}  // namespace sluice::queue
