#pragma once

#include <rte_ethdev.h>

#include <memory>
#include <string>
#include <vector>

#include "nic/dpdk_api.hpp"
#include "nic/dpdk_pool.hpp"

namespace sluice::nic {

// What was agreed on with one port.
struct DpdkPortPlan {
  uint16_t rx_queues = 1;
  uint16_t tx_queues = 1;
  uint16_t rx_descriptors = 1024;
  uint16_t tx_descriptors = 1024;
  uint32_t data_bytes = DpdkPool::kDataBytes;
  bool interrupts = true;
  bool rss = false;
  uint16_t rss_queues = 1;    // over which the device could spread flows by itself
  bool distributes = false;   // several cores, and the device does not spread flows over all of them: one polls for all
  bool copies_short = false;  // of short frames whose packets are kept
  NicCapabilities capabilities;

  static constexpr uint16_t kSentAtOnce = 64;
};

// A port from configuration to stop: which offloads, queues and sizes it can do is asked, never assumed.
class DpdkPort {
 public:
  ~DpdkPort();
  DpdkPort() = default;
  DpdkPort(const DpdkPort&) = delete;
  DpdkPort& operator=(const DpdkPort&) = delete;

  // Configures and starts the port. False with the reason.
  bool open(const DpdkOptions& options, std::string& error);
  // A port of one queue to the kernel, on this device's MAC and with its packets.
  bool open_exception(const DpdkOptions& options, DpdkPort& of, std::string& error);

  uint16_t id() const noexcept { return id_; }
  const std::string& name() const noexcept { return name_; }
  const std::string& driver() const noexcept { return driver_; }
  const DpdkPortPlan& plan() const noexcept { return plan_; }
  // Where one core receives for all, they share one pool: what another holds of it counts for everybody.
  DpdkPool& pool(uint32_t queue) noexcept { return shared_pool_ != nullptr ? *shared_pool_ : *pools_[plan_.distributes ? 0 : queue]; }
  // Files under a receive queue that are readable when frames wait, where its driver stands on such (af_packet, af_xdp, tap).
  const std::vector<int>& files(uint32_t queue) const noexcept { return files_[queue]; }

 private:
  bool choose(const DpdkOptions& options, std::string& error);
  bool make_device(const DpdkOptions& options, const MacAddress& mac, std::string& error);
  void negotiate(const DpdkOptions& options, const rte_eth_dev_info& info);
  bool configure(const DpdkOptions& options, const rte_eth_dev_info& info, std::string& error);
  void plan_queues(const DpdkOptions& options, const rte_eth_dev_info& info);
  int try_configure(const DpdkOptions& options, const rte_eth_dev_info& info);
  bool make_pools(const DpdkOptions& options, std::string& error);
  bool set_up_queues(std::string& error);
  int set_up_sending(uint16_t queue, int socket);
  bool start(std::string& error);

  uint16_t id_ = RTE_MAX_ETHPORTS;
  bool started_ = false;
  std::string name_;
  std::string driver_;
  uint64_t rx_offloads_ = 0;
  uint64_t tx_offloads_ = 0;
  DpdkPortPlan plan_;
  bool to_kernel_ = false;          // a port to the kernel, made by this process
  std::string made_;                // the device that was made for it
  DpdkPool* shared_pool_ = nullptr;
  std::vector<std::unique_ptr<DpdkPool>> pools_;
  std::vector<std::vector<int>> files_;
};

}  // namespace sluice::nic
