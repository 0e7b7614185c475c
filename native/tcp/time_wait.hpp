#pragma once

#include <cstdint>

#include "net/address.hpp"
#include "tcp/flow_table.hpp"
#include "tcp/local_addresses.hpp"
#include "tcp/seq.hpp"
#include "tcp/slab.hpp"

namespace sluice::tcp {

// What TIME-WAIT has to remember of a connection (RFC 9293 §3.6): enough to acknowledge a FIN that comes again and to tell an old
// segment from a new SYN.
struct TimeWait {
  net::IpAddress remote;
  uint16_t remote_port;
  uint16_t local_port;
  uint8_t local;
  uint8_t timestamps;
  uint16_t window;        // as it was last advertised, scaled
  Seq snd_nxt;
  Seq rcv_nxt;
  uint32_t ts_recent;
  uint32_t ts_offset;
  uint32_t due_ms;
  uint32_t next;          // in order of due_ms
  uint32_t previous;
  uint32_t hash;
  uint32_t answered_ms;   // when the last acknowledgement was sent
  uint32_t free_next;
};
static_assert(sizeof(TimeWait) == 64);

// Bounded: where it is full the oldest is forgotten, so that its memory and not its protection gives way.
class TimeWaitTable {
 public:
  TimeWaitTable(uint32_t size, FlowTable& flows, const LocalAddresses& locals);

  // Takes the place of `before` in the flow table. True in `evicted` where another had to go.
  TimeWait& add(FlowRef before, uint32_t hash, uint32_t due_ms, bool& evicted) noexcept;
  void remove(uint32_t index) noexcept;
  bool is(uint32_t index, const net::Flow& flow) const noexcept;

  // One whose time is over, or kNone.
  uint32_t due(uint32_t now_ms) const noexcept;
  // RFC 9293 §3.10.7.4: restarts the 2 MSL time-out.
  void restart(uint32_t index, uint32_t due_ms) noexcept;
  bool next_due(uint32_t& due_ms) const noexcept;

  TimeWait& operator[](uint32_t index) noexcept { return records_[index]; }
  uint32_t used() const noexcept { return records_.used(); }
  uint64_t bytes() const noexcept { return static_cast<uint64_t>(records_.size()) * sizeof(TimeWait); }

 private:
  void link(uint32_t index) noexcept;
  void unlink(uint32_t index) noexcept;

  Slab<TimeWait> records_;
  FlowTable& flows_;
  const LocalAddresses& locals_;
  uint32_t first_ = kNone;
  uint32_t last_ = kNone;
};

}  // namespace sluice::tcp
