#pragma once

#include <cstdint>
#include <vector>

#include "nic/packet.hpp"

namespace sluice::tcp {

// Bytes that many connections are given (StreamDriver::share). They are copied once, into packets in which the segments of all these
// connections end, each behind a packet of its own with the headers. A piece is given back when the last of them has been acknowledged.
class SharedBodies {
 public:
  explicit SharedBodies(nic::PacketPool& pool) : pool_(pool) {}
  ~SharedBodies();
  SharedBodies(const SharedBodies&) = delete;
  SharedBodies& operator=(const SharedBodies&) = delete;

  // A name for the bytes, never 0. They stay as they are until settle() behind withdraw().
  uint32_t add(const uint8_t* data, uint32_t length);
  void withdraw(uint32_t id);
  // Nobody refers any more to what has been withdrawn.
  void settle() noexcept;

  struct Pieces {
    nic::Packet* const* first;
    uint32_t count;
    uint32_t bytes;  // of each but the last
  };
  // None where it has yet to be cut, the first time or because each piece has been given to as many as it can be.
  Pieces pieces(uint32_t id) const noexcept {
    const Body& body = bodies_[id - 1];
    if (body.pieces.empty() || body.pieces.front()->references >= kReferencesMost) return {nullptr, 0, 0};
    return {body.pieces.data(), static_cast<uint32_t>(body.pieces.size()), body.piece_bytes};
  }
  // Into pieces of `bytes`, as the first time where it was cut before. None where there are no packets for it.
  Pieces cut(uint32_t id, uint32_t bytes);

 private:
  // Each queued segment has one, and another while it waits for the device; a piece's count has 16 bits.
  static constexpr uint16_t kReferencesMost = 30'000;

  struct Body {
    const uint8_t* data = nullptr;  // null: free
    uint32_t length = 0;
    uint32_t piece_bytes = 0;       // 0: never cut
    std::vector<nic::Packet*> pieces;
  };

  void drop_pieces(Body& body) noexcept;

  nic::PacketPool& pool_;
  std::vector<Body> bodies_;
  std::vector<uint32_t> free_;
  std::vector<uint32_t> withdrawn_;
};

}  // namespace sluice::tcp
