#include "nic/dpdk_api.hpp"

#include <rte_version.h>

#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "nic/dpdk_eal.hpp"
#include "nic/dpdk_port.hpp"
#include "nic/dpdk_queue.hpp"

namespace sluice::nic {

namespace {

class Device final : public DpdkDevice {
 public:
  bool open(const DpdkOptions& options, std::string& error) {
    if (!port_.open(options, error)) return false;
    for (uint16_t queue = 0; queue < port_.plan().rx_queues; ++queue) queues_.push_back(std::make_unique<DpdkQueue>(port_, queue));
    return true;
  }

  const char* port_name() const noexcept override { return port_.name().c_str(); }
  const char* driver_name() const noexcept override { return port_.driver().c_str(); }
  uint32_t queues() const noexcept override { return static_cast<uint32_t>(queues_.size()); }
  Nic& queue(uint32_t index) noexcept override { return *queues_[index]; }

 private:
  DpdkPort port_;
  std::vector<std::unique_ptr<DpdkQueue>> queues_;
};

DpdkDevice* open_device(const DpdkOptions& options, char* error, uint32_t error_bytes) {
  std::string reason;
  auto device = std::make_unique<Device>();
  if (start_eal(options.eal, reason) && device->open(options, reason)) return device.release();
  std::snprintf(error, error_bytes, "%s", reason.c_str());
  return nullptr;
}

}  // namespace

}  // namespace sluice::nic

extern "C" __attribute__((visibility("default"))) const sluice::nic::DpdkApi* sluice_dpdk_api() {
  static const sluice::nic::DpdkApi api{sluice::nic::DpdkApi::kVersion, sizeof(sluice::nic::Packet), rte_version(),
                                        &sluice::nic::open_device};
  return &api;
}
