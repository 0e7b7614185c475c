#pragma once

#include <cstdint>
#include <string>

#include "net/counters.hpp"
#include "sim/net/host.hpp"
#include "tcp/tcp_driver.hpp"

// Names that scripts use for options, counters and errors.

namespace sluice::sim::script {

// False where there is no such name, or the value is not one of its kind.
bool set_tcp_option(const std::string& name, const std::string& value, tcp::TcpOptions& out);
bool set_nic_option(const std::string& name, const std::string& value, HostOptions& out);

bool read_counter(const tcp::TcpCounters& counters, const std::string& name, int64_t& out);
bool read_gauge(const tcp::TcpGauges& gauges, const std::string& name, int64_t& out);
bool read_info(const tcp::ConnectionInfo& info, const std::string& name, int64_t& out);
bool read_net_counter(const net::NetCounters& counters, const std::string& name, int64_t& out);

std::string state_name(tcp::State state);
// An errno by its name, such as ECONNRESET; 0 where it is not known.
int error_number(const std::string& name);
std::string error_name(int number);

}  // namespace sluice::sim::script
