#pragma once

#include <string>
#include <vector>

#include "base/clock.hpp"
#include "nic/sim_nic.hpp"

namespace sluice::nic::test {

// Two simulated devices on one link.
struct Pair {
  explicit Pair(const SimPathOptions& path = {}, const SimNicOptions& options = {}) : a("a", clock, options), b("b", clock, options) {
    SimNic::join(a, b, path, path);
  }

  ManualClock clock;
  SimNic a;
  SimNic b;
};

// A frame of no protocol that carries a number; payload bytes count up from it.
inline Packet* numbered(PacketPool& pool, uint8_t number, uint32_t bytes = 100) {
  Packet* const packet = pool.allocate(bytes);
  if (packet == nullptr) return nullptr;
  packet->length = static_cast<uint16_t>(bytes);
  for (uint32_t i = 0; i < bytes; ++i) packet->data[i] = static_cast<uint8_t>(number + i);
  return packet;
}

inline bool send(Nic& nic, uint8_t number, uint32_t bytes = 100) {
  Packet* packet = numbered(nic.pool(), number, bytes);
  if (packet == nullptr) return false;
  if (nic.transmit(&packet, 1) == 1) return true;
  nic.pool().unref_frame(packet);
  return false;
}

// Bytes of all frames that wait.
inline std::vector<std::string> receive_all(Nic& nic) {
  std::vector<std::string> out;
  Packet* frames[7];
  for (uint32_t count = nic.receive(frames, 7); count > 0; count = nic.receive(frames, 7)) {
    for (uint32_t i = 0; i < count; ++i) {
      std::string bytes;
      for (const Packet* piece = frames[i]; piece != nullptr; piece = piece->next) {
        bytes.append(reinterpret_cast<const char*>(piece->data), piece->length);
      }
      out.push_back(bytes);
      nic.pool().unref_frame(frames[i]);
    }
  }
  return out;
}

inline std::vector<int> numbers(const std::vector<std::string>& frames) {
  std::vector<int> out;
  for (const std::string& frame : frames) out.push_back(static_cast<uint8_t>(frame.at(0)));
  return out;
}

}  // namespace sluice::nic::test
