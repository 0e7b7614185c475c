#pragma once

#include <cstdint>
#include <optional>

namespace sluice::nic {

// The key of receive-side scaling: one repeated pair of bytes hashes both directions of a flow alike (Woo, Park 2012), so that they meet
// on one core.
inline constexpr uint8_t kSymmetricPair[2] = {0x6d, 0x5a};

// The symmetric Toeplitz hash of a frame's TCP flow, over addresses and ports: what a device with that key computes, of which both
// halves are the same. Nothing where the frame is of no flow that it could be told by: other protocols, fragments, cut-off headers. An ICMP
// error belongs to the flow that it quotes, so that it reaches the core that sent the packet.
std::optional<uint16_t> flow_hash(const uint8_t* frame, uint32_t length) noexcept;

// Which of `cores` a flow belongs to.
inline uint32_t core_of(uint16_t hash, uint32_t cores) noexcept { return hash * cores >> 16; }

}  // namespace sluice::nic
