#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/siphash.hpp"
#include "sim/net/wire_endpoint.hpp"

namespace sluice::sim {

struct Finding {
  std::string rule;
  std::string what;
};

// Watches the wire of all hosts of a simulation. Passive: what it says changes nothing, so a run with it and one without are the same.
class WireChecker final : private RuleSink {
 public:
  // A frame that a host put on the wire, and one that a host's stack was given.
  void sent(uint32_t host, uint64_t now_ns, const uint8_t* frame, uint32_t length);
  void delivered(uint32_t host, const uint8_t* frame, uint32_t length);
  // The host has dealt with all that it was given, and nothing that it sent is still in it or its device. Until then its frames may be
  // those of before: a reset among what came together, or while they waited, has not ended a connection yet.
  void caught_up(uint32_t host);

  // The host opens connections by SYN cookies: what ended before it had opened, a reset having overtaken all else, is opened by what comes
  // behind. Such connections are looked at no more. One that had opened never comes back.
  void expect_reopening(uint32_t host) noexcept { reopens_[host] = true; }
  const std::vector<Finding>& findings() const noexcept { return findings_; }
  // Of every frame that was sent, with its time: equal for equal runs.
  uint64_t trace_hash() const noexcept { return hash_; }
  uint64_t frames() const noexcept { return frames_; }
  uint64_t segments() const noexcept { return segments_; }

 private:
  struct Key {
    uint32_t host;
    net::Flow flow;
    bool operator<(const Key& other) const noexcept;
  };
  struct Entry {
    // The last is the newest. More than one where a SYN was answered with several numbers, by a cookie and by a record: which of them
    // holds the client decides by what it acknowledges.
    std::vector<std::unique_ptr<WireEndpoint>> endpoints;
    bool blind = false;
    std::vector<TcpFrame> syns;  // that came and may still be answered
  };

  void broken(const char* rule, const std::string& what) override;
  void sent_segment(uint32_t host, const TcpFrame& frame);
  void new_incarnation(Entry& entry, const TcpFrame& syn);
  // Whose segment it is; null where there is none.
  static WireEndpoint* owner(Entry& entry, const TcpFrame& frame) noexcept;

  std::map<Key, Entry> entries_;
  std::vector<Finding> findings_;
  const TcpFrame* current_ = nullptr;
  uint32_t current_host_ = 0;
  bool reopens_[2] = {false, false};
  bool resets_came_[2] = {false, false};
  std::array<uint8_t, 6> macs_[2] = {};  // by what they send
  uint64_t now_ns_ = 0;
  uint64_t hash_ = 0;
  uint64_t frames_ = 0;
  uint64_t segments_ = 0;
};

}  // namespace sluice::sim
