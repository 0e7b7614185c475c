#pragma once

#include <cstdint>

#include "wiregen/address_plan.hpp"
#include "wiregen/segment_writer.hpp"
#include "wiregen/settings.hpp"
#include "wiregen/tcp.hpp"

namespace sluice::wiregen {

// The network side: takes bursts of frames, answers ARP for every client's address, finds out the server's MAC, and gives TCP what is
// for the clients.
class Port {
 public:
  struct Counters {
    uint64_t frames = 0;
    uint64_t bytes = 0;
    uint64_t arp = 0;
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
  bool server_known() const noexcept { return server_known_; }
  // Asks for the server's MAC.
  void ask();
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
  bool parse_tcp(nic::Packet* packet, uint8_t* at, uint32_t length, Seen& seen);
  void on_arp(const uint8_t* at, uint32_t length);
  bool answers_for(uint32_t address) const noexcept { return plan_.is_host(address) || address == settings_.local_address; }
  void send_arp(uint16_t operation, const uint8_t* target_mac, uint32_t sender, uint32_t target);

  nic::Nic& nic_;
  const Settings& settings_;
  const AddressPlan& plan_;
  Client* const clients_;
  SegmentWriter& out_;
  Tcp& tcp_;
  uint64_t (*const clock_)();
  bool server_known_;
  Counters counters_;
};

}  // namespace sluice::wiregen
