#pragma once

#include <cstdint>

#include "nic/nic.hpp"

// The seam between the addon and sluice_dpdk.so, which alone is linked against DPDK: the addon loads where DPDK is not installed.

namespace sluice::nic {

struct DpdkOptions {
  const char* eal = "";          // EAL arguments, split as a shell would
  const char* port = "";         // name of the port as EAL knows it; empty: the first
  uint32_t queues = 1;           // one for each core
  uint32_t packets = 16'384;     // reserved for each queue
  uint16_t mtu = 0;              // 0: the port's
  uint16_t vlan = 0;             // tag to be stripped by the device where it can
  const char* exception = "";    // a port to the kernel for what is not ours: tap or virtio-user; empty: none
  const char* exception_device = "";  // its name there
};

// A started port with its queues. Deleting it stops the port; EAL stays for the life of the process.
class DpdkDevice {
 public:
  virtual ~DpdkDevice() = default;
  virtual const char* port_name() const noexcept = 0;
  virtual const char* driver_name() const noexcept = 0;
  // Where flows are spread over the cores by one of them, since the device does not: a line that says so. Empty otherwise.
  virtual const char* note() const noexcept = 0;
  // What one core sends and receives on.
  virtual Nic& queue(uint32_t index) noexcept = 0;
  // The same of the port to the kernel; null where none was asked for.
  virtual Nic* kernel(uint32_t index) noexcept = 0;
};

struct DpdkApi {
  static constexpr uint32_t kVersion = 3;

  uint32_t version;
  uint32_t packet_bytes;
  const char* dpdk_version;
  // Null with a reason, and what to do about it, in `error`.
  DpdkDevice* (*open)(const DpdkOptions& options, char* error, uint32_t error_bytes);
};

inline constexpr char kDpdkEntry[] = "sluice_dpdk_api";
using DpdkEntry = const DpdkApi* (*)();

}  // namespace sluice::nic
