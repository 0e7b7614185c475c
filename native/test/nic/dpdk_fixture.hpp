#pragma once

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>

#include "nic/dpdk_library.hpp"

namespace sluice::nic::test {

// A folder with a capture that has no frames, gone when the process ends.
class CaptureFolder {
 public:
  CaptureFolder() {
    if (mkdtemp(path_.data()) == nullptr) {
      path_.clear();
      return;
    }
    constexpr uint32_t kHeader[6] = {0xa1b2c3d4, 0x00040002, 0, 0, 65'535, 1};
    FILE* const file = std::fopen((path_ + "/in").c_str(), "wb");
    if (file == nullptr) return;
    std::fwrite(kHeader, sizeof kHeader, 1, file);
    std::fclose(file);
  }
  ~CaptureFolder() {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
  }
  CaptureFolder(const CaptureFolder&) = delete;
  CaptureFolder& operator=(const CaptureFolder&) = delete;

  // Empty: it could not be made.
  const std::string& path() const noexcept { return path_; }

 private:
  std::string path_ = "/tmp/sluice-dpdk-XXXXXX";
};

// EAL starts once a process, so all tests share its ports: two rings of DPDK's that give back what is sent to them, and one that receives
// from a capture without frames and sends to two others.
inline const std::string& eal_arguments() {
  static const CaptureFolder folder;
  static const std::string text = [] {
    const std::string& at = folder.path();
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
