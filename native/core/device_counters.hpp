#pragma once

#include <vector>

#include "net/interface.hpp"
#include "queue/counters.hpp"
#include "queue/describe.hpp"
#include "tcp/tcp_driver.hpp"

namespace sluice::core {

// What netstat would show, in the slots of the region behind the core's own counters: TCP, IP and the device.
void publish_device_counters(queue::Counters& counters, const tcp::TcpDriver& tcp, net::Interface& interface);

std::vector<queue::LayoutConstant> describe_device_counters();

}  // namespace sluice::core
