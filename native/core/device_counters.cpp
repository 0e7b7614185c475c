#include "core/device_counters.hpp"

namespace sluice::core {

namespace {

#define SLUICE_TCP_GAUGES(X) \
  X(connections)             \
  X(orphans)                 \
  X(orphans_unacknowledged)  \
  X(half_open)               \
  X(time_wait)               \
  X(active)                  \
  X(packets_sending)         \
  X(packets_received)

#define SLUICE_NIC_COUNTERS(X) \
  X(rx_missed)                 \
  X(tx_full)                   \
  X(tx_refused)                \
  X(kernel_in)                 \
  X(kernel_out)                \
  X(kernel_lost)

enum Slot : uint32_t {
  kBefore = queue::kDeviceCounterSlot - 1,
#define SLUICE_SLOT_TCP(name) tcp_##name,
#define SLUICE_SLOT_NET(name) net_##name,
#define SLUICE_SLOT_NIC(name) nic_##name,
  SLUICE_TCP_GAUGES(SLUICE_SLOT_TCP)
  SLUICE_TCP_COUNTERS(SLUICE_SLOT_TCP)
  SLUICE_NET_COUNTERS(SLUICE_SLOT_NET)
  net_neighbors,
  SLUICE_NIC_COUNTERS(SLUICE_SLOT_NIC)
  nic_packets,
  nic_packets_free,
  kEnd
};
static_assert(kEnd <= queue::kCounterSlots);

}  // namespace

void publish_device_counters(queue::Counters& counters, const tcp::TcpDriver& driver, net::Interface& interface) {
  const tcp::TcpCounters& tcp = driver.tcp_counters();
  const tcp::TcpGauges gauges = driver.gauges();
  const net::NetCounters& net = interface.counters();
  const nic::NicCounters& nic = interface.device().counters();
#define SLUICE_SET_GAUGE(name) counters.set_slot(tcp_##name, gauges.name);
#define SLUICE_SET_TCP(name) counters.set_slot(tcp_##name, tcp.name);
#define SLUICE_SET_NET(name) counters.set_slot(net_##name, net.name);
#define SLUICE_SET_NIC(name) counters.set_slot(nic_##name, nic.name);
  SLUICE_TCP_GAUGES(SLUICE_SET_GAUGE)
  SLUICE_TCP_COUNTERS(SLUICE_SET_TCP)
  SLUICE_NET_COUNTERS(SLUICE_SET_NET)
  SLUICE_NIC_COUNTERS(SLUICE_SET_NIC)
  counters.set_slot(net_neighbors, interface.neighbors());
  counters.set_slot(nic_packets, interface.pool().total_count());
  counters.set_slot(nic_packets_free, interface.pool().free_count());
}

std::vector<queue::LayoutConstant> describe_device_counters() {
  std::vector<queue::LayoutConstant> out;
#define SLUICE_NAME_TCP(name) out.push_back({"DEVICE_COUNTERS", "tcp_" #name, tcp_##name});
#define SLUICE_NAME_NET(name) out.push_back({"DEVICE_COUNTERS", "net_" #name, net_##name});
#define SLUICE_NAME_NIC(name) out.push_back({"DEVICE_COUNTERS", "nic_" #name, nic_##name});
  SLUICE_TCP_GAUGES(SLUICE_NAME_TCP)
  SLUICE_TCP_COUNTERS(SLUICE_NAME_TCP)
  SLUICE_NET_COUNTERS(SLUICE_NAME_NET)
  SLUICE_NAME_NET(neighbors)
  SLUICE_NIC_COUNTERS(SLUICE_NAME_NIC)
  SLUICE_NAME_NIC(packets)
  SLUICE_NAME_NIC(packets_free)
  return out;
}

}  // namespace sluice::core
