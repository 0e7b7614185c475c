#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "bench/header_line.hpp"
#include "bench/histogram.hpp"
#include "wiregen/assembler.hpp"
#include "wiregen/client.hpp"
#include "wiregen/item_writer.hpp"
#include "wiregen/lateness.hpp"
#include "wiregen/settings.hpp"

namespace sluice::wiregen {

// Checks what subscribers are sent: the channel is theirs, server_seq is one more than the last, the body is what was published.
// All subscribers of a channel get the same bytes, so a frame is looked into once, and for the others compared.
class Deliveries {
 public:
  Deliveries(const Settings& settings, const ItemWriter& items);

  // What is wrong, or nothing. Slow readers are checked, but neither counted nor timed.
  std::string check(ClientId id, Client& client, const Assembler::Frame& message, uint64_t now_ns);

  uint64_t count() const noexcept { return count_; }
  const load::Histogram& latency() const noexcept { return latency_; }
  void clear_latency() {
    latency_.clear();
    lateness_.clear();
  }
  // Those that came late, and why; told when a turn of the generator begins.
  Lateness& lateness() noexcept { return lateness_; }
  const Lateness& lateness() const noexcept { return lateness_; }

 private:
  static constexpr uint32_t kKept = 4096;
  static constexpr uint32_t kPerChannel = 16;
  struct Kept {
    std::string bytes;
    uint32_t seq = 0;
    uint32_t channel = UINT32_MAX;
    uint64_t due_ns = 0;
  };

  std::string look_into(ClientId id, const Client& client, const Assembler::Frame& message, uint32_t channel, Kept& kept);

  const Settings& settings_;
  const ItemWriter& items_;
  std::vector<Kept> kept_;
  uint64_t count_ = 0;
  load::Histogram latency_;
  Lateness lateness_;
};

}  // namespace sluice::wiregen
