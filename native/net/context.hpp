#pragma once

#include <cstdint>

#include "base/prng.hpp"
#include "net/counters.hpp"
#include "net/neighbor_cache.hpp"
#include "net/options.hpp"
#include "net/routes.hpp"
#include "net/transmitter.hpp"
#include "nic/nic.hpp"

namespace sluice::net {

// What the roles of one interface work on together. One core owns all of it.
struct Context {
  Context(nic::Nic& device, const InterfaceOptions& settings, NeighborCache::Link& link);

  // A packet for a message of `bytes`, counted where there is none.
  nic::Packet* allocate(uint32_t bytes) noexcept;
  void drop(nic::Packet* frame, uint64_t& reason) noexcept {
    ++reason;
    nic.pool().unref_frame(frame);
  }

  nic::Nic& nic;
  const InterfaceOptions options;
  const uint16_t mtu;
  Routes routes;
  NetCounters counters;
  NeighborCache neighbors;
  Transmitter transmitter;
  uint64_t now_us = 0;
};

// Bytes of all pieces.
inline uint32_t frame_bytes(const nic::Packet* packet) noexcept {
  uint32_t bytes = 0;
  for (; packet != nullptr; packet = packet->next) bytes += packet->length;
  return bytes;
}

inline uint32_t pieces_of(const nic::Packet* packet) noexcept {
  uint32_t pieces = 0;
  for (; packet != nullptr; packet = packet->next) ++pieces;
  return pieces;
}

}  // namespace sluice::net
