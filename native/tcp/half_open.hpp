#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "net/address.hpp"
#include "tcp/flow_table.hpp"
#include "tcp/local_addresses.hpp"
#include "tcp/seq.hpp"
#include "tcp/slab.hpp"

namespace sluice::tcp {

// A peer that announces less gets segments of so much, options included, as Linux has it (tcp_min_snd_mss).
inline constexpr uint16_t kLeastMss = 48;

// What the two SYNs agreed on.
struct Negotiated {
  uint32_t ts_recent = 0;
  uint16_t peer_mss = 536;  // RFC 9293 §3.7.1: where none is announced
  uint8_t send_shift = 0;
  bool timestamps = false;
  bool sack = false;
  bool scaled = false;
  bool ecn = false;
};

// A connection of which the first two segments of the handshake have passed (SYN-RECEIVED after a passive open).
struct alignas(64) HalfOpen {
  net::IpAddress remote;
  uint16_t remote_port;
  uint16_t local_port;
  uint8_t local;
  uint8_t tries;          // SYN-ACKs sent beyond the first
  uint8_t send_shift;
  uint8_t flags;
  Seq iss;
  Seq irs;
  uint32_t ts_recent;
  uint32_t due_ms;        // when the SYN-ACK is sent again
  uint32_t hash;
  uint32_t next;          // of those with as many tries, in order of due_ms
  uint32_t previous;
  uint16_t peer_mss;
  uint16_t answered_ms16; // when a SYN that came again was last answered, in units of 16 ms
  uint32_t free_next;

  static constexpr uint8_t kTimestamps = 1;
  static constexpr uint8_t kSack = 2;
  static constexpr uint8_t kScaled = 4;
  static constexpr uint8_t kEcn = 8;

  void store(const Negotiated& agreed) noexcept;
  Negotiated agreed() const noexcept;
};
static_assert(sizeof(HalfOpen) == 64);

// Half-open connections: bounded, and bounded for each remote address, so that no flood of SYNs takes more than was set aside for
// it. Those with the same number of tries wait equally long, so a list for each number is in order of time.
class HalfOpenTable {
 public:
  static constexpr uint32_t kMaxTries = 10;

  HalfOpenTable(uint32_t size, uint32_t per_address_max, FlowTable& flows, const LocalAddresses& locals, const SipKey& key);

  // kNone where there is no room, for all or for this address: then a cookie serves.
  uint32_t add(const net::Flow& flow, uint8_t local, uint32_t hash, uint32_t due_ms) noexcept;
  void remove(uint32_t index) noexcept;
  bool is(uint32_t index, const net::Flow& flow) const noexcept;
  // is() follows soon.
  [[gnu::always_inline]] void prefetch(uint32_t index) const noexcept { __builtin_prefetch(&records_[index], 1); }

  // One whose time is over, or kNone.
  uint32_t due(uint32_t now_ms) const noexcept;
  void put_off(uint32_t index, uint32_t due_ms) noexcept;
  bool next_due(uint32_t& due_ms) const noexcept;

  HalfOpen& operator[](uint32_t index) noexcept { return records_[index]; }
  void populate_if_small() noexcept { records_.populate_if_small(); }
  uint32_t used() const noexcept { return records_.used(); }
  uint64_t bytes() const noexcept { return static_cast<uint64_t>(records_.size()) * sizeof(HalfOpen) + counts_.size() * sizeof(uint16_t); }

 private:
  static constexpr uint32_t kCounts = 1u << 14;

  uint16_t& count(const net::IpAddress& remote) noexcept;
  void link(uint32_t index) noexcept;
  void unlink(uint32_t index) noexcept;

  Slab<HalfOpen> records_;
  uint32_t per_address_max_;
  FlowTable& flows_;
  const LocalAddresses& locals_;
  SipKey key_;
  // By a keyed hash of the address: two addresses that share a count only reach their bound sooner, and are served by cookies.
  std::vector<uint16_t> counts_;
  uint32_t first_[kMaxTries + 1];
  uint32_t last_[kMaxTries + 1];
};

}  // namespace sluice::tcp
