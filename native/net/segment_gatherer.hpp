#pragma once

#include <algorithm>
#include <cstdint>

#include "nic/nic.hpp"

namespace sluice::net {

// TCP segmentation offload. The stack sends segment by segment, each from a packet that it keeps until it is acknowledged; where the device
// cuts segments itself, those that follow one another in the queue to it become one frame, which it takes apart again. Nothing waits for
// this, and nothing is copied: the headers of all but the first come off.
class SegmentGatherer {
 public:
  explicit SegmentGatherer(const nic::NicCapabilities& can)
      : pieces_max_(can.tso && can.tx_l4_checksum ? std::min<uint32_t>(can.max_pieces, kMostPieces) : 0),
        ip_checksum_(can.tx_ip_checksum) {}

  // A whole frame is the last in the queue now.
  void begin(nic::Packet* frame) noexcept {
    head_ = nullptr;
    if (pieces_max_ != 0) consider(frame);
  }
  // Makes a frame part of the last one. False where it does not continue that one.
  bool join(nic::Packet* frame) noexcept { return head_ != nullptr && try_join(frame); }
  // The last frame of the queue is about to be the device's.
  void end() noexcept { head_ = nullptr; }

 private:
  // Drivers refuse smaller cuts (i40e: below 256), and with such the device would do little for us.
  static constexpr uint32_t kLeastSegment = 536;
  // What drivers say of pieces is not always true of frames to be cut (vmxnet3 takes 24).
  static constexpr uint32_t kMostPieces = 16;
  // The IP header's length field bounds what the device cuts from (RFC 791 §3.1); room for headers is left.
  static constexpr uint32_t kMostBytes = 64'000;

  void consider(nic::Packet* frame) noexcept;
  bool try_join(nic::Packet* frame) noexcept;
  bool continues(const nic::Packet* frame, uint32_t payload) const noexcept;
  void become_large() noexcept;

  const uint32_t pieces_max_;
  const bool ip_checksum_;       // virtio devices cut without: their host looks at the large frame's
  nic::Packet* head_ = nullptr;  // what the next frame may become part of
  nic::Packet* last_ = nullptr;  // its last piece
  uint32_t pieces_ = 0;
  uint32_t payload_ = 0;         // of all segments so far
  uint32_t next_seq_ = 0;
};

}  // namespace sluice::net
