#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "core/device_side.hpp"
#include "core/nic_reactor.hpp"
#include "net/interface.hpp"
#include "nic/dpdk_api.hpp"
#include "nic/exception_nic.hpp"
#include "nic/pcap_nic.hpp"
#include "tcp/tcp_driver.hpp"

namespace sluice::core {

// How the engine reaches the network without the kernel.
struct NetworkOptions {
  std::string eal;                  // EAL arguments
  std::string port;                 // EAL's name of the port; empty: the first
  std::string pcap;                 // file for the frames that pass; empty: none
  std::vector<std::string> ips;     // own addresses with their prefixes
  std::vector<std::string> gateways;
  uint16_t vlan = 0;
  uint16_t mtu = 0;                 // 0: the device's
  uint32_t packets = 16'384;        // for each core
  uint32_t keepalive_ms = 0;        // of TCP (RFC 9293 §3.8.4); 0: none
  std::string exception;            // the exception path: tap or virtio-user; empty: none
  std::string exception_device;     // the kernel's name for it
  std::vector<std::string> exception_for;  // addresses, protocols, ports
  uint32_t spin_us = 50;            // how long after the last frame a core polls before it sleeps
};

// One core's own network: a queue of the device, IP and TCP on it, and what drives them.
class Network final : public DeviceSide {
 public:
  // Which of a device's cores it is for.
  struct Share {
    uint32_t index;
    uint32_t of;
  };
  // Null with the reason. All that is handed in outlives it. `kernel`: the core's side of the exception path, or null.
  static std::unique_ptr<Network> make(const NetworkOptions& options, nic::Nic& queue, nic::Nic* kernel, Share share,
                                       std::string& error);

  // The driver on this network; it goes before the network does. Null with the reason.
  std::unique_ptr<StreamDriver> make_driver(uint32_t capacity, BlockPool& blocks, StreamSink& sink, std::string& error);

  // DeviceSide
  bool prepare_wait() override { return reactor_->prepare_wait(driver_->next_deadline_us()); }
  void publish(queue::Counters& counters) override;
  uint64_t now_us() noexcept override { return reactor_->now_us(); }

 private:
  Network() = default;

  bool open_exceptions(const NetworkOptions& options, nic::Nic& kernel, net::InterfaceOptions& interface, std::string& error);
  bool open_capture(const std::string& path, uint32_t index, nic::Nic& queue, std::string& error);

  MonotonicClock clock_;
  nic::Nic* nic_ = nullptr;
  std::unique_ptr<nic::PcapNic> pcap_;
  std::unique_ptr<nic::ExceptionNic> exceptions_;
  std::unique_ptr<net::Interface> interface_;
  std::unique_ptr<NicReactor> reactor_;
  tcp::TcpDriver* driver_ = nullptr;
  uint32_t keepalive_ms_ = 0;
  SipKey secret_;
};

}  // namespace sluice::core
