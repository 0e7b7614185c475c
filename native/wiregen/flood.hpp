#pragma once

#include <cstdint>
#include <string>

#include "base/prng.hpp"
#include "bench/pacer.hpp"
#include "wiregen/script.hpp"
#include "wiregen/stage.hpp"

namespace sluice::wiregen {

// Packets that nobody honest sends, at a rate, beside what the clients do:
//   also flood kind=syn rate=1M        SYNs from random addresses; the answers are ignored
//   also flood kind=rst|syn-in|data|ack|fin rate=R   in the name of the clients' own connections, with random sequence numbers
class Flood {
 public:
  explicit Flood(Statement& line);

  void begin(const Stage& stage) { pacer_.start(rate_, stage.now()); }
  void turn(Stage& stage);
  uint64_t sent() const noexcept { return sent_; }
  const std::string& kind() const noexcept { return kind_; }

 private:
  static constexpr uint32_t kPerTurn = 128;

  void send(Stage& stage);
  SegmentWriter::Segment forged(Stage& stage);

  std::string kind_;
  double rate_;
  load::Pacer pacer_;
  Prng random_{0xf100d};
  uint64_t sent_ = 0;
};

}  // namespace sluice::wiregen
