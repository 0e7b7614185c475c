#include "nic/dpdk_api.hpp"

#include <rte_version.h>

#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "nic/dpdk_distributor.hpp"
#include "nic/dpdk_eal.hpp"
#include "nic/dpdk_port.hpp"
#include "nic/dpdk_queue.hpp"

namespace sluice::nic {

namespace {

class Device final : public DpdkDevice {
 public:
  bool open(const DpdkOptions& options, std::string& error) {
    if (!port_.open(options, error)) return false;
    if (*options.exception != '\0' && !open_kernel(options, error)) return false;
    if (port_.plan().distributes) return open_distributor(options.queues, error);
    for (uint16_t queue = 0; queue < port_.plan().rx_queues; ++queue) queues_.push_back(std::make_unique<DpdkQueue>(port_, queue));
    return true;
  }

  const char* port_name() const noexcept override { return port_.name().c_str(); }
  const char* driver_name() const noexcept override { return port_.driver().c_str(); }
  const char* note() const noexcept override { return note_.c_str(); }
  Nic& queue(uint32_t index) noexcept override { return distributor_ ? distributor_->core(index) : *queues_[index]; }
  Nic* kernel(uint32_t index) noexcept override { return kernel_ ? &kernel_->core(index) : nullptr; }

 private:
  bool open_kernel(const DpdkOptions& options, std::string& error) {
    kernel_port_ = std::make_unique<DpdkPort>();
    if (!kernel_port_->open_exception(options, port_, error)) return false;
    kernel_ = std::make_unique<DpdkDistributor>(*kernel_port_, DpdkDistributor::Frames::kFirstCore);
    return kernel_->open(options.queues, error);
  }
  bool open_distributor(uint32_t cores, std::string& error) {
    const DpdkPortPlan& plan = port_.plan();
    distributor_ = std::make_unique<DpdkDistributor>(port_, DpdkDistributor::Frames::kByFlow);
    if (!distributor_->open(cores, error)) return false;
    note_ = port_.name() + " (" + port_.driver() + ") spreads connections over " + std::to_string(plan.rss_queues) +
            (plan.rss_queues == 1 ? " queue, so core 0 polls for all " : " queues, so core 0 polls for all ") + std::to_string(cores) +
            " and hands them their frames" + (plan.tx_queues == 1 ? ", and sends theirs" : "");
    return true;
  }

  DpdkPort port_;
  std::string note_;
  std::unique_ptr<DpdkPort> kernel_port_;
  std::unique_ptr<DpdkDistributor> kernel_;
  std::unique_ptr<DpdkDistributor> distributor_;
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
