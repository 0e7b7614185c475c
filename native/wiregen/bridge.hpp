#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "nic/fault_nic.hpp"
#include "nic/nic.hpp"

namespace sluice::wiregen {

struct BridgeOptions {
  nic::FaultOptions faults;        // rx: from the first device to the second; tx: back
  uint64_t bits_per_second = 0;    // of the link, each way; 0: as fast as it goes
  uint32_t queue_bytes = 256'000;  // that wait for the link, each way; what comes beyond is lost
};

// A queue in front of a link of a certain rate: the bottleneck of a path.
class Bottleneck {
 public:
  struct Counters {
    uint64_t frames = 0;
    uint64_t bytes = 0;
    uint64_t lost = 0;  // the queue was full, or the device at the other end
  };

  explicit Bottleneck(const BridgeOptions& options) : rate_(options.bits_per_second), most_bytes_(options.queue_bytes) {}

  void offer(const nic::Packet* frame);
  // Sends what has its turn.
  void serve(nic::Nic& to, uint64_t now_ns);
  // When the next frame has its turn; UINT64_MAX: none waits.
  uint64_t due_ns() const noexcept { return waiting_.empty() ? UINT64_MAX : free_ns_; }
  const Counters& counters() const noexcept { return counters_; }

 private:
  void send(nic::Nic& to, const std::vector<uint8_t>& bytes);

  uint64_t rate_;
  uint64_t most_bytes_;
  uint64_t bytes_ = 0;
  uint64_t free_ns_ = 0;  // the link is taken until then
  std::deque<std::vector<uint8_t>> waiting_;
  Counters counters_;
};

// Joins two devices as a link with a rate, a delay and faults would.
class Bridge {
 public:
  Bridge(nic::Nic& a, nic::Nic& b, const Clock& clock, const BridgeOptions& options);

  // Returns how many frames came.
  uint32_t turn(uint64_t now_ns);
  // Until then there is nothing to do unless a frame comes.
  uint64_t due_ns() const;
  // One line of JSON.
  std::string report();

 private:
  static constexpr uint32_t kBurst = 64;

  uint32_t take(nic::Nic& from, Bottleneck& into);

  nic::FaultNic a_;
  nic::Nic& b_;
  Bottleneck to_a_;
  Bottleneck to_b_;
};

}  // namespace sluice::wiregen
