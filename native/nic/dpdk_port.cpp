#include "nic/dpdk_port.hpp"

#include <rte_dev.h>
#include <rte_errno.h>
#include <rte_log.h>

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "nic/dpdk_files.hpp"
#include "nic/flow_hash.hpp"
#include "nic/tap_device.hpp"

namespace sluice::nic {

namespace {

constexpr uint16_t kKernelDescriptors = 512;

bool is_driver(const std::string& driver, const char* name) noexcept { return driver == name; }

// Offloads that a driver announces but does in software of its own, copying headers: ours costs less.
bool offloads_in_software(const std::string& driver) noexcept { return is_driver(driver, "net_tap"); }

// Drivers that copy or hand over by virtual address what they send.
bool is_on_sockets(const std::string& driver) noexcept {
  return is_driver(driver, "net_af_xdp") || is_driver(driver, "net_af_packet") || is_driver(driver, "net_tap");
}

// Drivers whose peer sends to as many queues as there are pairs in use: one that only transmits would be sent to.
bool pairs_queues(const std::string& driver) noexcept {
  return is_driver(driver, "net_virtio") || is_driver(driver, "net_virtio_user") || is_driver(driver, "net_vhost") ||
         is_driver(driver, "net_ring");
}

std::string failure(const char* doing, const std::string& port, int error) {
  return std::string(doing) + " port " + port + ": " + rte_strerror(error < 0 ? -error : error);
}

std::string port_names() {
  std::string names;
  uint16_t id = 0;
  RTE_ETH_FOREACH_DEV(id) {
    char name[RTE_ETH_NAME_MAX_LEN] = "";
    rte_eth_dev_get_name_by_port(id, name);
    names += (names.empty() ? "" : ", ") + std::string(name);
  }
  return names;
}

}  // namespace

DpdkPort::~DpdkPort() {
  if (id_ == RTE_MAX_ETHPORTS) return;
  if (started_) rte_eth_dev_stop(id_);
  // Closing detaches what would outlive the process: an XDP program, a socket file.
  rte_eth_dev_close(id_);
  if (!made_.empty()) rte_eal_hotplug_remove("vdev", made_.c_str());
}

bool DpdkPort::open(const DpdkOptions& options, std::string& error) {
  if (!choose(options, error)) return false;
  rte_eth_dev_info info{};
  if (const int result = rte_eth_dev_info_get(id_, &info); result != 0) {
    error = failure("cannot ask", name_, result);
    return false;
  }
  driver_ = info.driver_name == nullptr ? "" : info.driver_name;
  plan_.copies_short = is_driver(driver_, "net_virtio") || is_driver(driver_, "net_virtio_user");
  negotiate(options, info);
  return configure(options, info, error) && make_pools(options, error) && set_up_queues(error) && start(error);
}

bool DpdkPort::open_exception(const DpdkOptions& options, DpdkPort& of, std::string& error) {
  to_kernel_ = true;
  shared_pool_ = &of.pool(0);
  DpdkOptions own;
  own.mtu = of.plan().capabilities.mtu;
  if (!make_device(options, of.plan().capabilities.mac, error)) return false;
  own.port = made_.c_str();
  if (!open(own, error)) return false;
  // Best effort: a device that keeps the usual MTU fragments, or its kernel sends less.
  static_cast<void>(rte_eth_dev_set_mtu(id_, own.mtu));
  return true;
}

bool DpdkPort::make_device(const DpdkOptions& options, const MacAddress& mac, std::string& error) {
  char address[18];
  const uint8_t* const b = mac.bytes;
  std::snprintf(address, sizeof address, "%02x:%02x:%02x:%02x:%02x:%02x", b[0], b[1], b[2], b[3], b[4], b[5]);
  const bool tap = std::strcmp(options.exception, "tap") == 0;
  const std::string name = tap ? "net_tap_exception" : "net_virtio_user_exception";
  const std::string iface = std::string("iface=") + options.exception_device + ",mac=" + address;
  const std::string arguments = tap ? iface : "path=/dev/vhost-net,queues=1,queue_size=1024," + iface;
  const char* const file = tap ? "/dev/net/tun" : "/dev/vhost-net";
  if (::access(file, R_OK | W_OK) != 0) {
    error = std::string("the exception path needs ") + file + ", which cannot be opened: " + std::strerror(errno) + ". Run `modprobe " +
            (tap ? "tun" : "vhost_net") + "`, as root";
    return false;
  }
  if (tap && tap_is_taken(options.exception_device)) {
    error = tap_taken_error(options.exception_device);
    return false;
  }
  if (const int result = rte_eal_hotplug_add("vdev", name.c_str(), arguments.c_str()); result != 0) {
    error = failure("cannot make the exception path's", name, result) + ". Is there a device named " + options.exception_device +
            " already (`ip link`), and may this process make one (CAP_NET_ADMIN)?";
    return false;
  }
  made_ = name;
  return true;
}

bool DpdkPort::choose(const DpdkOptions& options, std::string& error) {
  const char* const wanted = options.port;
  uint16_t id = 0;
  if (*wanted != '\0') {
    if (rte_eth_dev_get_port_by_name(wanted, &id) == 0) {
      id_ = id;
    } else {
      const std::string names = port_names();
      error = std::string("there is no DPDK port '") + wanted + "'; " + (names.empty() ? "EAL found none" : "EAL found " + names);
      return false;
    }
  } else {
    RTE_ETH_FOREACH_DEV(id) {
      id_ = id;
      break;
    }
  }
  if (id_ == RTE_MAX_ETHPORTS && std::strstr(options.eal, "--vdev") != nullptr) {
    error = "EAL found no port: the virtual device of the EAL arguments could not be made. TAP, AF_PACKET and AF_XDP take root "
            "(CAP_NET_ADMIN, CAP_NET_RAW), and the last two an interface that is there (iface=)";
    return false;
  }
  if (id_ == RTE_MAX_ETHPORTS) {
    error = "EAL found no port: name a virtual device (--vdev …) in the EAL arguments, or bind a NIC (dpdk-devbind.py -b vfio-pci "
            "ADDRESS; docs/DPDK.md). An engine that was stopped in this process has closed its port";
    return false;
  }
  char name[RTE_ETH_NAME_MAX_LEN] = "";
  rte_eth_dev_get_name_by_port(id_, name);
  name_ = name;
  return true;
}

void DpdkPort::negotiate(const DpdkOptions& options, const rte_eth_dev_info& info) {
  NicCapabilities& has = plan_.capabilities;
  plan_queues(options, info);
  // What goes to or comes from the kernel's port has to be whole, and so has what is handed on to it.
  const bool software = to_kernel_ || offloads_in_software(driver_);
  // A virtio peer may leave checksums out where they are said to be good.
  const bool whole = software || (*options.exception != '\0' && pairs_queues(driver_));
  const uint64_t rx = whole ? 0 : info.rx_offload_capa;
  const uint64_t tx = software ? info.tx_offload_capa & RTE_ETH_TX_OFFLOAD_MULTI_SEGS : info.tx_offload_capa;
  constexpr uint64_t kRxChecksums = RTE_ETH_RX_OFFLOAD_IPV4_CKSUM | RTE_ETH_RX_OFFLOAD_TCP_CKSUM;
  rx_offloads_ = rx & kRxChecksums;
  if (options.vlan != 0) rx_offloads_ |= rx & RTE_ETH_RX_OFFLOAD_VLAN_STRIP;
  has.rx_checksum = (rx & RTE_ETH_RX_OFFLOAD_TCP_CKSUM) != 0;
  tx_offloads_ = tx & (RTE_ETH_TX_OFFLOAD_IPV4_CKSUM | RTE_ETH_TX_OFFLOAD_TCP_CKSUM | RTE_ETH_TX_OFFLOAD_MULTI_SEGS);
  has.tx_ip_checksum = (tx & RTE_ETH_TX_OFFLOAD_IPV4_CKSUM) != 0;
  has.tx_l4_checksum = (tx & RTE_ETH_TX_OFFLOAD_TCP_CKSUM) != 0;
  has.max_pieces = 1;
  if ((tx & RTE_ETH_TX_OFFLOAD_MULTI_SEGS) != 0) {
    const uint16_t most = info.tx_desc_lim.nb_seg_max;
    has.max_pieces = most == 0 ? 16 : std::min<uint16_t>(most, 32);
  }
  // A cut of many pieces needs the checksums done as well.
  has.tso = (tx & RTE_ETH_TX_OFFLOAD_TCP_TSO) != 0 && has.tx_l4_checksum && has.max_pieces > 1;
  if (has.tso) tx_offloads_ |= RTE_ETH_TX_OFFLOAD_TCP_TSO;
}

void DpdkPort::plan_queues(const DpdkOptions& options, const rte_eth_dev_info& info) {
  const auto wanted = static_cast<uint16_t>(options.queues);
  const uint16_t receives = std::clamp<uint16_t>(info.max_rx_queues, 1, wanted);
  const uint16_t transmits = std::clamp<uint16_t>(info.max_tx_queues, 1, wanted);
  const bool spreads = (info.flow_type_rss_offloads & (RTE_ETH_RSS_IP | RTE_ETH_RSS_TCP)) != 0;
  plan_.rss_queues = spreads ? std::min(receives, transmits) : 1;
  plan_.rss = wanted > 1 && plan_.rss_queues == wanted;
  plan_.distributes = wanted > 1 && !plan_.rss;
  // Without RSS all frames come to the first queue whatever the others are.
  plan_.rx_queues = plan_.rss ? wanted : 1;
  plan_.tx_queues = plan_.rss || (transmits == wanted && !pairs_queues(driver_)) ? wanted : 1;
}

int DpdkPort::try_configure(const DpdkOptions& options, const rte_eth_dev_info& info) {
  rte_eth_conf conf{};
  conf.rxmode.offloads = rx_offloads_;
  conf.txmode.offloads = tx_offloads_;
  conf.intr_conf.rxq = plan_.interrupts ? 1 : 0;
  if (options.mtu != 0) conf.rxmode.mtu = std::min(options.mtu, info.max_mtu);
  uint8_t key[128];
  if (plan_.rss) {
    conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
    conf.rx_adv_conf.rss_conf.rss_hf = info.flow_type_rss_offloads & (RTE_ETH_RSS_IP | RTE_ETH_RSS_TCP);
    const uint8_t bytes = info.hash_key_size == 0 ? 40 : std::min<uint8_t>(info.hash_key_size, sizeof key);
    for (uint32_t i = 0; i < bytes; ++i) key[i] = kSymmetricPair[i % 2];
    conf.rx_adv_conf.rss_conf.rss_key = key;
    conf.rx_adv_conf.rss_conf.rss_key_len = bytes;
  }
  return rte_eth_dev_configure(id_, plan_.rx_queues, plan_.tx_queues, &conf);
}

bool DpdkPort::configure(const DpdkOptions& options, const rte_eth_dev_info& info, std::string& error) {
  const uint32_t mtu = options.mtu == 0 ? RTE_ETHER_MTU : std::min(options.mtu, info.max_mtu);
  const uint32_t frame = mtu + RTE_ETHER_HDR_LEN + RTE_ETHER_CRC_LEN + 2 * RTE_VLAN_HLEN;
  if (frame > plan_.data_bytes) {
    // A jumbo frame comes in several packets where the device can scatter it, else all packets have to be as large.
    if ((info.rx_offload_capa & RTE_ETH_RX_OFFLOAD_SCATTER) != 0) {
      rx_offloads_ |= RTE_ETH_RX_OFFLOAD_SCATTER;
    } else {
      plan_.data_bytes = RTE_ALIGN_CEIL(frame, 512);
    }
  }
  int result = try_configure(options, info);
  if (result != 0 && plan_.tx_queues > plan_.rx_queues) {
    // Drivers on sockets have queues in pairs only.
    plan_.tx_queues = plan_.rx_queues;
    result = try_configure(options, info);
  }
  if (result != 0) {
    plan_.interrupts = false;
    result = try_configure(options, info);
  }
  if (to_kernel_) plan_.rx_descriptors = plan_.tx_descriptors = kKernelDescriptors;
  if (result == 0) result = rte_eth_dev_adjust_nb_rx_tx_desc(id_, &plan_.rx_descriptors, &plan_.tx_descriptors);
  if (result == 0) return true;
  error = failure("cannot configure", name_, result) + ". Try fewer --cores or another MTU";
  return false;
}

bool DpdkPort::make_pools(const DpdkOptions& options, std::string& error) {
  if (shared_pool_ != nullptr) return true;
  const uint32_t pools = plan_.distributes ? 1 : options.queues;
  for (uint32_t queue = 0; queue < pools; ++queue) {
    pools_.push_back(std::make_unique<DpdkPool>());
    const std::string pool_name = "sluice_" + std::to_string(id_) + "_" + std::to_string(queue);
    DpdkPool::Plan plan{};
    // The port to the kernel holds some of the first core's for what comes from there.
    const uint32_t for_kernel = queue == 0 && *options.exception != '\0' ? kKernelDescriptors : 0;
    plan.packets = std::max<uint32_t>(options.packets, 2u * plan_.rx_descriptors) * (options.queues / pools) + 2 * for_kernel;
    plan.data_bytes = plan_.data_bytes;
    plan.for_receive = (queue < plan_.rx_queues ? plan_.rx_descriptors : 0) + for_kernel;
    plan.socket = rte_eth_dev_socket_id(id_);
    plan.across_pages = is_on_sockets(driver_);
    plan.for_virtio = plan_.copies_short;
    // What goes to the kernel is handed to the first core's thread.
    plan.one_owner = !plan_.distributes && (options.queues == 1 || *options.exception == '\0');
    if (!pools_.back()->create(pool_name, plan, error)) return false;
  }
  return true;
}

bool DpdkPort::set_up_queues(std::string& error) {
  const int socket = rte_eth_dev_socket_id(id_);
  files_.resize(plan_.rx_queues);
  for (uint16_t queue = 0; queue < plan_.rx_queues; ++queue) {
    const FileWatch watch;
    rte_mempool* const mempool = pool(queue).mempool();
    const int result = rte_eth_rx_queue_setup(id_, queue, plan_.rx_descriptors, static_cast<unsigned>(socket), nullptr, mempool);
    if (result != 0) {
      error = failure("cannot set up a receive queue of", name_, result);
      if (is_driver(driver_, "net_af_xdp")) error += ". Another XDP program on the interface (`ip link show`) would be in its way";
      return false;
    }
    files_[queue] = watch.opened_since();
  }
  for (uint16_t queue = 0; queue < plan_.tx_queues; ++queue) {
    const int result = set_up_sending(queue, socket);
    if (result == 0) continue;
    error = failure("cannot set up a transmit queue of", name_, result);
    return false;
  }
  // This driver opened its sockets when EAL found it, one for each queue.
  if (is_driver(driver_, "net_af_packet")) {
    const std::vector<int> all = packet_sockets();
    for (uint16_t queue = 0; queue < plan_.rx_queues && queue < all.size(); ++queue) files_[queue] = {all[queue]};
  }
  return true;
}

int DpdkPort::set_up_sending(uint16_t queue, int socket) {
  const auto node = static_cast<unsigned>(socket);
  rte_eth_dev_info info{};
  if (!plan_.copies_short || rte_eth_dev_info_get(id_, &info) != 0) {
    return rte_eth_tx_queue_setup(id_, queue, plan_.tx_descriptors, node, nullptr);
  }
  // By default this driver takes back what was sent when the ring is nearly full: each packet would have left the cache by then. Its
  // rings have the device's size whatever is asked for (256 in most VMs), and only an error tells which: so smaller ones are tried.
  rte_eth_txconf sending = info.default_txconf;
  const uint32_t level = rte_log_get_global_level();
  rte_log_set_global_level(RTE_LOG_CRIT);
  int result = -EINVAL;
  for (uint32_t ring = plan_.tx_descriptors; result == -EINVAL && ring > DpdkPortPlan::kSentAtOnce; ring /= 2) {
    sending.tx_free_thresh = static_cast<uint16_t>(ring - DpdkPortPlan::kSentAtOnce);
    result = rte_eth_tx_queue_setup(id_, queue, plan_.tx_descriptors, node, &sending);
  }
  rte_log_set_global_level(level);
  return result == -EINVAL ? rte_eth_tx_queue_setup(id_, queue, plan_.tx_descriptors, node, nullptr) : result;
}

bool DpdkPort::start(std::string& error) {
  if (const int result = rte_eth_dev_start(id_); result != 0) {
    error = failure("cannot start", name_, result);
    return false;
  }
  started_ = true;
  // Neighbour discovery speaks to multicast groups. A device that cannot take all of them takes everything instead.
  if (rte_eth_allmulticast_enable(id_) != 0) static_cast<void>(rte_eth_promiscuous_enable(id_));
  NicCapabilities& has = plan_.capabilities;
  rte_ether_addr mac{};
  if (rte_eth_macaddr_get(id_, &mac) == 0) std::memcpy(has.mac.bytes, mac.addr_bytes, sizeof has.mac.bytes);
  uint16_t mtu = RTE_ETHER_MTU;
  if (rte_eth_dev_get_mtu(id_, &mtu) == 0) has.mtu = mtu;
  return true;
}

}  // namespace sluice::nic
