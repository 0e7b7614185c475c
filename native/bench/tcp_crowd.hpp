#pragma once

#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <vector>

#include "base/prng.hpp"
#include "bench/tcp_world.hpp"

// Crowds of peers that do the same, for benchmarks and tests of what abuse costs.

namespace sluice::bench {

inline constexpr uint32_t kCrowdBatch = 4'096;

inline uint64_t resident_bytes() {
  unsigned long long total = 0;
  unsigned long long resident = 0;
  std::FILE* const file = std::fopen("/proc/self/statm", "r");
  if (file == nullptr || std::fscanf(file, "%llu %llu", &total, &resident) != 2) resident = 0;
  if (file != nullptr) std::fclose(file);
  return resident * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
}

// The same segment from each of the peers [from, to); `ack` counts from the stack's initial number.
struct CrowdSegment {
  uint32_t seq;
  uint32_t ack;
  uint8_t flags;
  uint16_t payload = 0;
  uint16_t window = 65'535;
};
inline void from_each(TcpWorld& world, uint32_t from, uint32_t to, const CrowdSegment& each) {
  std::vector<TcpWorld::Said> said;
  for (uint32_t begin = from; begin < to; begin += kCrowdBatch) {
    said.clear();
    for (uint32_t peer = begin; peer < std::min(to, begin + kCrowdBatch); ++peer) {
      const uint32_t ack = each.flags == wire::kSyn ? 0 : world.initial(peer) + each.ack;
      said.push_back({peer, peer + each.seq, ack, each.flags, each.payload, each.window});
    }
    world.arrive(said);
  }
}
inline void open_crowd(TcpWorld& world, uint32_t from, uint32_t to, uint16_t window = 65'535) {
  for (uint32_t begin = from; begin < to; begin += kCrowdBatch) {
    const uint32_t end = std::min(to, begin + kCrowdBatch);
    from_each(world, begin, end, {0, 0, wire::kSyn});
    from_each(world, begin, end, {1, 1, wire::kAck, 0, window});
  }
}

// Resets, SYNs and data with numbers that nobody was told, against `peers` connections: one of 65,536 hits a window by chance, which is
// what RFC 5961 is about.
inline void inject_blindly(TcpWorld& world, uint32_t peers, uint32_t segments) {
  constexpr uint8_t kFlags[] = {wire::kRst, wire::kRst | wire::kAck, wire::kSyn, wire::kSyn | wire::kAck, wire::kAck | wire::kPsh,
                                wire::kAck | wire::kFin};
  Prng random(7);
  std::vector<TcpWorld::Said> said;
  for (uint32_t i = 0; i < segments; ++i) {
    const uint32_t peer = random.below(peers);
    const auto seq = static_cast<uint32_t>(random.next());
    // The exact number is 1 in 2^32.
    if (seq == peer + 1) continue;
    said.push_back({peer, seq, static_cast<uint32_t>(random.next()), kFlags[random.below(6)], 0});
    if (said.size() < kCrowdBatch && i + 1 != segments) continue;
    world.arrive(said);
    said.clear();
    world.clock_us += 1'000;
  }
}

}  // namespace sluice::bench
