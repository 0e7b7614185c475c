#pragma once

#include <cstdint>
#include <vector>

#include "nic/packet.hpp"

// What an Ethernet device does with IP and TCP by itself, for the simulated one. It knows no more of the protocols than a device does
// and shares no code with the stack, so that the one checks the other.

namespace sluice::nic {

// Fills in the checksums that the packet's flags ask for. `frame` is the whole frame, headers as the packet says.
void finish_checksums(const Packet& packet, uint8_t* frame, uint32_t length);

// Cuts a frame with kTxSegment into frames, checksums included: sequence numbers move on, FIN and PSH stay with the last, CWR with the
// first (RFC 3168 §6.1.2), IPv4 identifications count up.
std::vector<std::vector<uint8_t>> cut_segments(const Packet& packet, const std::vector<uint8_t>& frame);

// PacketFlag kRx* for a received frame: what the device says about its checksums.
uint8_t verify_checksums(const uint8_t* frame, uint32_t length);

}  // namespace sluice::nic
