#pragma once

#include <cstdint>

#include "wiregen/address_plan.hpp"
#include "wiregen/resolver.hpp"
#include "wiregen/segment_writer.hpp"
#include "wiregen/settings.hpp"
#include "wiregen/tcp.hpp"

namespace sluice::wiregen {

// The network side: takes bursts of frames, has questions about addresses answered, and gives TCP what is for the clients.
class Port {
 public:
  struct Counters {
    uint64_t frames = 0;
    uint64_t bytes = 0;
    uint64_t arp = 0;        // and neighbour discovery
    uint64_t bad_checksum = 0;
    uint64_t malformed = 0;
    uint64_t foreign = 0;    // for nobody here
  };

  static constexpr uint32_t kBurst = 64;

  // `clock` stamps each burst when it is there: what is counted as latency ends then.
  Port(nic::Nic& nic, const Settings& settings, const AddressPlan& plan, Client* clients, SegmentWriter& out, Tcp& tcp,
       uint64_t (*clock)());

  // Frames taken.
  uint32_t receive();
  Resolver& resolver() noexcept { return resolver_; }
  const Counters& counters() const noexcept { return counters_; }

 private:
  // A frame of a burst, parsed; `id` is kNoClient where it was dealt with already.
  struct Seen {
    ClientId id;
    uint32_t address;
    uint16_t port;
    Incoming segment;
  };

  bool parse(nic::Packet* packet, Seen& seen);
  bool parse_ipv4(const nic::Packet& packet, uint8_t* at, uint32_t length, Seen& seen);
  bool parse_ipv6(const nic::Packet& packet, uint8_t* at, uint32_t length, Seen& seen);
  bool parse_tcp(uint8_t* at, uint32_t length, Seen& seen);
  void on_arp(const uint8_t* at, uint32_t length);

  nic::Nic& nic_;
  const Settings& settings_;
  const AddressPlan& plan_;
  Client* const clients_;
  Tcp& tcp_;
  uint64_t (*const clock_)();
  Resolver resolver_;
  Counters counters_;
};

}  // namespace sluice::wiregen
