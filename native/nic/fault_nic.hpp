#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <queue>
#include <vector>

#include "base/clock.hpp"
#include "base/prng.hpp"
#include "nic/fault_options.hpp"
#include "nic/nic.hpp"

namespace sluice::nic {

struct FaultCounters {
  uint64_t passed = 0;
  uint64_t lost = 0;
  uint64_t duplicated = 0;
  uint64_t corrupted = 0;
  uint64_t truncated = 0;
  uint64_t reordered = 0;
  uint64_t stalls = 0;
  uint64_t dropped_size = 0;
  uint64_t dropped_full = 0;  // no memory, or no packet, for what was held back
};

// Decides what happens to the frames of one direction, and holds copies of those that come later. A held frame takes no packet: at
// 50 ms and 10 Gbit/s these would be more than a pool has.
class FaultLane {
 public:
  struct Held {
    uint64_t due_us;
    uint64_t order;
    std::vector<uint8_t> bytes;
    Packet head;  // flags and header lengths of the frame that it was
  };

  FaultLane(const FaultDirection& options, uint64_t seed, uint32_t hold_bytes)
      : options_(options), random_(seed), hold_bytes_(hold_bytes) {}

  void set(const FaultDirection& options) noexcept { options_ = options; }
  // What comes now is only passed on: nothing is held back and nothing would be.
  bool idle() const noexcept { return held_.empty() && !options_.any(); }
  // True when the frame passes at once, unchanged. Otherwise what becomes of it is decided, and the caller gives it back.
  bool passes(const Packet* frame, uint64_t now_us);

  bool due(uint64_t now_us) const { return !held_.empty() && held_.top().due_us <= now_us; }
  const Held& front() const { return held_.top(); }
  void pop();
  // The frame cannot be passed on for want of packets.
  void give_up() {
    ++counters_.dropped_full;
    pop();
  }
  uint64_t next_due_us() const { return held_.empty() ? UINT64_MAX : held_.top().due_us; }
  FaultCounters& counters() noexcept { return counters_; }

 private:
  struct Later {
    bool operator()(const Held& a, const Held& b) const { return a.due_us != b.due_us ? a.due_us > b.due_us : a.order > b.order; }
  };

  bool loses();
  uint64_t due_time(uint64_t now_us, bool reordered);
  void damage(Held& held, bool corrupt, bool truncate);
  void hold(const Packet* frame, uint64_t due_us, bool corrupt, bool truncate);

  FaultDirection options_;
  Prng random_;
  uint64_t hold_bytes_;
  uint64_t held_bytes_ = 0;
  uint64_t order_ = 0;
  uint64_t in_order_due_us_ = 0;
  uint64_t stalled_until_us_ = 0;
  uint32_t burst_left_ = 0;
  FaultCounters counters_;
  std::priority_queue<Held, std::vector<Held>, Later> held_;
};

// Loses, delays, reorders, doubles and damages what passes, from a seed. Works on every device: segmentation offload is switched
// off so that faults hit single segments, and checksums are left to software where bytes are changed.
class FaultNic final : public Nic {
 public:
  FaultNic(Nic& inner, const Clock& clock, const FaultOptions& options);

  // New faults for what comes from now on; what is held back stays due when it was.
  void set(const FaultOptions& options) noexcept;
  // When a frame that was held back is due; UINT64_MAX: none.
  uint64_t next_due_us() const;
  FaultCounters& rx_faults() noexcept { return rx_.counters(); }
  FaultCounters& tx_faults() noexcept { return tx_.counters(); }

  const char* name() const noexcept override { return inner_.name(); }
  const NicCapabilities& capabilities() const noexcept override { return capabilities_; }
  PacketPool& pool() noexcept override { return inner_.pool(); }
  uint32_t receive(Packet** frames, uint32_t max) noexcept override;
  uint32_t transmit(Packet** frames, uint32_t count) noexcept override;
  bool transmitting(const Packet* packet) const noexcept override { return inner_.transmitting(packet); }
  bool link_up() noexcept override { return inner_.link_up(); }
  bool arm() noexcept override;
  int wait_fd() const noexcept override { return inner_.wait_fd(); }
  bool worked() noexcept override { return inner_.worked(); }
  bool stalled() const noexcept override { return inner_.stalled(); }
  const NicCounters& counters() noexcept override { return inner_.counters(); }

 private:
  void release_tx(uint64_t now_us);
  Packet* rebuild(const FaultLane::Held& held) noexcept;

  Nic& inner_;
  const Clock& clock_;
  NicCapabilities capabilities_;
  FaultLane rx_;
  FaultLane tx_;
};

}  // namespace sluice::nic
