#include "wiregen/lateness.hpp"

#include <algorithm>
#include <cstdio>

namespace sluice::wiregen {

namespace {

double ms(uint64_t ns) { return static_cast<double>(ns) / 1e6; }

}  // namespace

void Lateness::clear() {
  const uint64_t turn_ns = turn_ns_;
  *this = Lateness();
  turn_ns_ = turn_ns;
  began_ns_ = turn_ns;
}

void Lateness::absent(uint64_t now_ns) {
  const uint64_t lasted_ns = now_ns - turn_ns_;
  ++absences_total_;
  absent_total_ns_ += lasted_ns;
  longest_absence_ns_ = std::max(longest_absence_ns_, lasted_ns);
  if (absences_.size() < kMost) absences_.push_back({turn_ns_, now_ns});
}

void Lateness::late(uint64_t due_ns, uint64_t now_ns) {
  ++messages_;
  const bool same = !stalls_.empty() && due_ns <= stalls_.back().to_ns;
  if (!same) {
    ++stalls_total_;
    if (stalls_.size() == kMost) return;
    stalls_.push_back({due_ns, now_ns, 0, 0});
  }
  Stall& stall = stalls_.back();
  stall.from_ns = std::min(stall.from_ns, due_ns);
  stall.to_ns = now_ns;
  stall.longest_ns = std::max(stall.longest_ns, now_ns - due_ns);
  ++stall.messages;
}

uint64_t Lateness::absent_ns(const Stall& stall) const noexcept {
  uint64_t sum_ns = 0;
  for (const Absence& absence : absences_) {
    const uint64_t from_ns = std::max(absence.from_ns, stall.from_ns);
    const uint64_t to_ns = std::min(absence.to_ns, stall.to_ns);
    if (from_ns < to_ns) sum_ns += to_ns - from_ns;
  }
  return sum_ns;
}

std::string Lateness::json() const {
  load::JsonObject out;
  out.number("stalls", stalls_total_);
  out.number("messages", messages_);
  out.number("absences", absences_total_);
  out.number("absent_ms", ms(absent_total_ns_));
  out.number("longest_absence_ms", ms(longest_absence_ns_));
  std::string list = "[";
  for (const Stall& stall : stalls_) {
    char one[160];
    std::snprintf(one, sizeof one, "%s[%.1f,%.1f,%.1f,%llu,%.1f]", list.size() > 1 ? "," : "",
                  ms(stall.from_ns - std::min(stall.from_ns, began_ns_)),
                  ms(stall.to_ns - stall.from_ns), ms(stall.longest_ns), static_cast<unsigned long long>(stall.messages),
                  ms(absent_ns(stall)));
    list += one;
  }
  out.raw("list", list + "]");
  return out.text();
}

}  // namespace sluice::wiregen
