#pragma once

#include <cstdint>
#include <string>

#include "nic/packet.hpp"

namespace sluice::nic {

struct MacAddress {
  uint8_t bytes[6];
};

// What the device does by itself, as negotiated; what it does not is done in software.
struct NicCapabilities {
  MacAddress mac{};
  uint16_t mtu = 1500;            // IP bytes
  uint16_t max_pieces = 1;        // of one frame to be sent
  bool rx_checksum = false;       // received frames carry kRx*
  bool tx_ip_checksum = false;
  bool tx_l4_checksum = false;
  bool tso = false;
  bool interrupts = false;        // wait_fd() becomes readable when a frame comes
};

struct NicCounters {
  uint64_t rx_frames = 0;
  uint64_t rx_bytes = 0;
  uint64_t rx_missed = 0;         // lost in the device or for want of packets
  uint64_t tx_frames = 0;
  uint64_t tx_bytes = 0;
  uint64_t tx_full = 0;           // times the device's queue took less than was offered
  uint64_t tx_refused = 0;        // frames that the device cannot send at all; they were dropped
  uint64_t kernel_in = 0;         // the exception path: frames from the kernel, to it, and those that it did not take
  uint64_t kernel_out = 0;
  uint64_t kernel_lost = 0;
};

// One queue pair of a device, owned by one core. Devices stack: fault(pcap(dpdk)).
class Nic {
 public:
  virtual ~Nic() = default;

  virtual const char* name() const noexcept = 0;
  virtual const NicCapabilities& capabilities() const noexcept = 0;
  virtual PacketPool& pool() noexcept = 0;

  // Frames that have come, at most `max`. Each is a chain with one reference per piece, which the caller then holds. Received
  // bytes may be written to.
  virtual uint32_t receive(Packet** frames, uint32_t max) noexcept = 0;
  // Takes one reference of each piece of the first n frames and returns n; the others stay the caller's. A packet to which the
  // caller keeps a reference is not written to until the device is done with it: transmitting(packet) is false. Drivers give packets
  // back when they send again, not when the wire is done: with little traffic it can stay true for long.
  virtual uint32_t transmit(Packet** frames, uint32_t count) noexcept = 0;
  virtual bool transmitting(const Packet* packet) const noexcept = 0;

  virtual bool link_up() noexcept = 0;
  // Before its core sleeps: asks to be woken by the next frame. False when frames wait already: then poll. Where capabilities() names no
  // interrupts frames are not announced, and the sleep has to be short.
  virtual bool arm() noexcept = 0;
  // A file that is readable once an armed device has something; -1 where it announces nothing.
  virtual int wait_fd() const noexcept = 0;
  // True when it did something for other cores since this was asked last: then it is worth polling on.
  virtual bool worked() noexcept { return false; }
  // Frames that it took from other cores wait for the device, which does not say when it takes more.
  virtual bool stalled() const noexcept { return false; }
  virtual const NicCounters& counters() noexcept = 0;
};

}  // namespace sluice::nic
