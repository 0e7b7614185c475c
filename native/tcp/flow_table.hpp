#pragma once

#include <cstdint>

#include "base/lazy_array.hpp"
#include "base/siphash.hpp"
#include "net/address.hpp"

namespace sluice::tcp {

enum class FlowKind : uint8_t { kTcb = 0, kHalfOpen = 1, kTimeWait = 2 };

// Names a record of one of the three tables. All zero: none.
struct FlowRef {
  uint32_t raw = 0;

  static FlowRef make(FlowKind kind, uint32_t index) noexcept { return {static_cast<uint32_t>(kind) << 30 | (index + 1)}; }
  bool empty() const noexcept { return raw == 0; }
  FlowKind kind() const noexcept { return static_cast<FlowKind>(raw >> 30); }
  uint32_t index() const noexcept { return (raw & 0x3fffffff) - 1; }
  bool operator==(const FlowRef&) const noexcept = default;
};

// From a flow to its record, whatever its kind: open addressing with linear probing, eight bytes an entry, so that a lookup touches
// one cache line nearly always. An entry holds 32 bits of a keyed hash (nobody without the key can aim at a chain), whose low bits
// are its home position; so entries can be moved up when one is removed, and no grave is left behind.
class FlowTable {
 public:
  FlowTable(uint32_t flows_max, const SipKey& key);

  uint32_t hash(const net::Flow& flow) const noexcept;
  [[gnu::always_inline]] void prefetch(uint32_t hash) const noexcept { __builtin_prefetch(&entries_[hash & mask_]); }

  // The first entry with that hash, and those that follow: the caller compares the flow itself.
  class Cursor {
   public:
    Cursor(const FlowTable& table, uint32_t hash) noexcept : table_(table), hash_(hash), at_(hash & table.mask_) {}
    // Empty: there are no more.
    FlowRef next() noexcept {
      for (;;) {
        const Entry& entry = table_.entries_[at_];
        if (entry.ref.empty()) return {};
        at_ = (at_ + 1) & table_.mask_;
        if (entry.hash == hash_) return entry.ref;
      }
    }

   private:
    const FlowTable& table_;
    uint32_t hash_;
    uint32_t at_;
  };

  void insert(uint32_t hash, FlowRef ref) noexcept;
  void remove(uint32_t hash, FlowRef ref) noexcept;
  // The flow's record is another one from now on.
  void replace(uint32_t hash, FlowRef before, FlowRef after) noexcept;

  void populate_if_small() noexcept { entries_.populate_if_small(); }
  uint64_t bytes() const noexcept { return entries_.bytes(); }
  uint32_t used() const noexcept { return used_; }

 private:
  struct Entry {
    uint32_t hash;
    FlowRef ref;
  };
  static_assert(sizeof(Entry) == 8);

  uint32_t find(uint32_t hash, FlowRef ref) const noexcept;

  SipKey key_;
  uint32_t mask_;
  uint32_t used_ = 0;
  LazyArray<Entry> entries_;
};

}  // namespace sluice::tcp
