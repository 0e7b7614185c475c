#pragma once

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>

#include "nic/dpdk_library.hpp"

namespace sluice::nic::test {

// EAL starts once a process, so all tests share its ports: two rings of DPDK's that give back what is sent to them, and one that receives
// from a capture without frames and sends to two others.
inline const std::string& eal_arguments() {
  static const std::string text = [] {
    char folder[] = "/tmp/sluice-dpdk-XXXXXX";
    const std::string at = mkdtemp(folder) == nullptr ? "/tmp" : folder;
    constexpr uint32_t kHeader[6] = {0xa1b2c3d4, 0x00040002, 0, 0, 65'535, 1};
    if (FILE* const file = std::fopen((at + "/in").c_str(), "wb"); file != nullptr) {
      std::fwrite(kHeader, sizeof kHeader, 1, file);
      std::fclose(file);
    }
    std::atexit([] {
      const std::string& arguments = eal_arguments();
      const size_t from = arguments.find("/tmp");
      std::error_code ignored;
      std::filesystem::remove_all(arguments.substr(from, arguments.find("/in,") - from), ignored);
    });
    return "--no-huge -m 128 --no-pci --vdev=net_ring0 --vdev=net_ring1 --vdev=net_pcap0,rx_pcap=" + at + "/in,tx_pcap=" + at +
           "/out0,tx_pcap=" + at + "/out1";
  }();
  return text;
}

inline std::unique_ptr<DpdkDevice> open_port(const char* port, uint32_t cores, std::string& error) {
  DpdkOptions options;
  options.eal = eal_arguments().c_str();
  options.port = port;
  options.queues = cores;
  options.packets = cores == 1 ? 4096 : 8192 / cores;
  return open_dpdk(options, error);
}

// Says so where there is no DPDK to test.
inline bool unavailable(const DpdkDevice* device, const std::string& error, const char* name) {
  if (device != nullptr) return false;
  std::printf("SKIPPED: %s: %s\n", name, error.c_str());
  return true;
}

inline std::string text_of(const Packet* packet) {
  std::string out;
  for (; packet != nullptr; packet = packet->next) out.append(reinterpret_cast<const char*>(packet->data), packet->length);
  return out;
}

}  // namespace sluice::nic::test
