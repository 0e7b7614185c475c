#include "core/network.hpp"

#include <sys/random.h>

#include <cerrno>
#include <cstring>

#include "core/device_counters.hpp"
#include "net/address_text.hpp"

namespace sluice::core {

namespace {

bool draw_key(SipKey& key, std::string& error) {
  if (getrandom(&key, sizeof key, 0) == sizeof key) return true;
  error = std::string("the system gives no random bytes: ") + std::strerror(errno);
  return false;
}

bool read_addresses(const NetworkOptions& options, net::InterfaceOptions& out, std::string& error) {
  for (const std::string& text : options.ips) {
    net::InterfaceAddress entry{};
    if (!net::parse_address_with_prefix(text, entry)) {
      error = "ip: '" + text + "' is no address with a prefix, such as 10.9.0.1/24";
      return false;
    }
    out.addresses.push_back(entry);
  }
  for (const std::string& text : options.gateways) {
    net::IpAddress gateway{};
    if (!net::parse_address(text, gateway)) {
      error = "gateway: '" + text + "' is no IP address";
      return false;
    }
    out.gateways.push_back(gateway);
  }
  if (!out.addresses.empty()) return true;
  error = "the dpdk driver needs an address of its own: --ip 10.9.0.1/24";
  return false;
}

uint64_t wall_clock_offset_us() {
  timespec wall;
  clock_gettime(CLOCK_REALTIME, &wall);
  return static_cast<uint64_t>(wall.tv_sec) * 1'000'000u + static_cast<uint64_t>(wall.tv_nsec) / 1'000u - monotonic_us();
}

}  // namespace

std::unique_ptr<Network> Network::make(const NetworkOptions& options, nic::Nic& queue, nic::Nic* kernel, Share share,
                                       std::string& error) {
  std::unique_ptr<Network> network(new Network());
  net::InterfaceOptions interface;
  interface.vlan = options.vlan;
  interface.mtu = options.mtu;
  interface.answers = share.index == 0;
  interface.alone = share.of == 1;
  if (!read_addresses(options, interface, error) || !draw_key(interface.key, error) || !draw_key(network->secret_, error)) return nullptr;
  network->nic_ = &queue;
  if (!options.pcap.empty() && !network->open_capture(options.pcap, share.index, queue, error)) return nullptr;
  if (kernel != nullptr && !network->open_exceptions(options, *kernel, interface, error)) return nullptr;
  network->interface_ = std::make_unique<net::Interface>(*network->nic_, interface);
  network->reactor_ = std::make_unique<NicReactor>(*network->interface_, options.spin_us);
  network->keepalive_ms_ = options.keepalive_ms;
  if (!network->reactor_->open(error)) return nullptr;
  return network;
}

// Above the capture, which shows what is on the wire, of whomever.
bool Network::open_exceptions(const NetworkOptions& options, nic::Nic& kernel, net::InterfaceOptions& interface, std::string& error) {
  exceptions_ = std::make_unique<nic::ExceptionNic>(*nic_, kernel);
  nic_ = exceptions_.get();
  interface.kernel = exceptions_.get();
  for (const std::string& kind : options.exception_for) {
    const net::ExceptionKind one = kind == "addresses" ? net::ExceptionKind::kAddresses
                                   : kind == "protocols" ? net::ExceptionKind::kProtocols : net::ExceptionKind::kPorts;
    interface.kernel_kinds = static_cast<uint8_t>(interface.kernel_kinds | static_cast<uint8_t>(one));
  }
  return exceptions_->open(error);
}

// Cores share nothing, so each has a file of its own.
bool Network::open_capture(const std::string& path, uint32_t index, nic::Nic& queue, std::string& error) {
  pcap_ = std::make_unique<nic::PcapNic>(queue, clock_, wall_clock_offset_us());
  nic_ = pcap_.get();
  return pcap_->open(index == 0 ? path : path + "." + std::to_string(index), error);
}

std::unique_ptr<StreamDriver> Network::make_driver(uint32_t capacity, BlockPool& blocks, StreamSink& sink, std::string& error) {
  tcp::TcpOptions options;
  options.capacity = capacity;
  options.keepalive_idle_ms = keepalive_ms_;
  options.populate = true;
  tcp::TcpEnvironment environment;
  environment.ip = interface_.get();
  environment.reactor = reactor_.get();
  environment.blocks = &blocks;
  environment.sink = &sink;
  environment.secret = secret_;
  auto driver = tcp::TcpDriver::make(options, environment, error);
  if (!driver) return nullptr;
  driver_ = driver.get();
  interface_->attach(*driver);
  interface_->start(clock_.now_us());
  return driver;
}

void Network::publish(queue::Counters& counters) { publish_device_counters(counters, *driver_, *interface_); }

}  // namespace sluice::core
