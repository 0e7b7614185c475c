#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "bench/json.hpp"

namespace sluice::wiregen {

// Whose delay a late message's was: the stretches of time in which messages were late, and beside them the turns of the generator's own
// loop that took long, in which nothing was sent or taken. Such a turn is the generator's part of the latencies that it reports.
class Lateness {
 public:
  static constexpr uint64_t kLateNs = 2'000'000;
  static constexpr uint64_t kAbsentNs = 1'000'000;
  // Kept at most; beyond that they are only counted.
  static constexpr size_t kMost = 4096;

  struct Absence {
    uint64_t from_ns;
    uint64_t to_ns;
  };
  // From when the first of its late messages was due to when the last one came.
  struct Stall {
    uint64_t from_ns;
    uint64_t to_ns;
    uint64_t longest_ns;
    uint64_t messages;
  };

  // What follows is of a new phase.
  void clear();
  // A turn of the generator's loop begins.
  void turn(uint64_t now_ns) {
    if (now_ns - turn_ns_ >= kAbsentNs && turn_ns_ != 0) absent(now_ns);
    turn_ns_ = now_ns;
  }
  void message(uint64_t due_ns, uint64_t now_ns) {
    if (now_ns >= due_ns + kLateNs) late(due_ns, now_ns);
  }

  const std::vector<Stall>& stalls() const noexcept { return stalls_; }
  // Of the generator, while messages of the stall were on their way.
  uint64_t absent_ns(const Stall& stall) const noexcept;
  // {"stalls":..,"messages":..,"absences":..,"absent_ms":..,"longest_absence_ms":..,
  //  "list":[[at_ms,lasted_ms,longest_ms,messages,absent_ms],..]}; at_ms is since clear().
  std::string json() const;

 private:
  void absent(uint64_t now_ns);
  void late(uint64_t due_ns, uint64_t now_ns);

  std::vector<Stall> stalls_;
  std::vector<Absence> absences_;
  uint64_t turn_ns_ = 0;
  uint64_t began_ns_ = 0;
  uint64_t messages_ = 0;
  uint64_t stalls_total_ = 0;
  uint64_t absences_total_ = 0;
  uint64_t absent_total_ns_ = 0;
  uint64_t longest_absence_ns_ = 0;
};

}  // namespace sluice::wiregen
