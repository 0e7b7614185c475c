#include "sim/script/lookup.hpp"

#include <cerrno>

#include "sim/script/script.hpp"

namespace sluice::sim::script {

namespace {

constexpr struct {
  const char* name;
  uint32_t tcp::TcpOptions::*field;
} kNumbers[] = {
    {"capacity", &tcp::TcpOptions::capacity},
    {"orphans_max", &tcp::TcpOptions::orphans_max},
    {"orphans_sending_max", &tcp::TcpOptions::orphans_sending_max},
    {"half_open_max", &tcp::TcpOptions::half_open_max},
    {"half_open_per_address_max", &tcp::TcpOptions::half_open_per_address_max},
    {"time_wait_max", &tcp::TcpOptions::time_wait_max},
    {"active_max", &tcp::TcpOptions::active_max},
    {"receive_window_initial", &tcp::TcpOptions::receive_window_initial},
    {"receive_window_max", &tcp::TcpOptions::receive_window_max},
    {"send_buffer", &tcp::TcpOptions::send_buffer},
    {"rto_min_ms", &tcp::TcpOptions::rto_min_ms},
    {"rto_max_ms", &tcp::TcpOptions::rto_max_ms},
    {"retries_max", &tcp::TcpOptions::retries_max},
    {"syn_retries_max", &tcp::TcpOptions::syn_retries_max},
    {"syn_ack_retries_max", &tcp::TcpOptions::syn_ack_retries_max},
    {"delayed_ack_ms", &tcp::TcpOptions::delayed_ack_ms},
    {"time_wait_ms", &tcp::TcpOptions::time_wait_ms},
    {"fin_wait2_ms", &tcp::TcpOptions::fin_wait2_ms},
    {"path_mtu_raise_ms", &tcp::TcpOptions::path_mtu_raise_ms},
    {"keepalive_idle_ms", &tcp::TcpOptions::keepalive_idle_ms},
    {"keepalive_interval_ms", &tcp::TcpOptions::keepalive_interval_ms},
    {"keepalive_probes", &tcp::TcpOptions::keepalive_probes},
    {"challenge_acks_per_s", &tcp::TcpOptions::challenge_acks_per_s},
    {"resets_per_s", &tcp::TcpOptions::resets_per_s},
};

constexpr struct {
  const char* name;
  bool tcp::TcpOptions::*field;
} kSwitches[] = {
    {"ecn", &tcp::TcpOptions::ecn},
    {"timestamps", &tcp::TcpOptions::timestamps},
    {"sack", &tcp::TcpOptions::sack},
    {"nagle", &tcp::TcpOptions::nagle},
    {"syn_cookies_always", &tcp::TcpOptions::syn_cookies_always},
};

constexpr struct {
  const char* name;
  bool nic::NicCapabilities::*field;
} kCapabilities[] = {
    {"rx_checksum", &nic::NicCapabilities::rx_checksum},
    {"tx_ip_checksum", &nic::NicCapabilities::tx_ip_checksum},
    {"tx_l4_checksum", &nic::NicCapabilities::tx_l4_checksum},
    {"tso", &nic::NicCapabilities::tso},
};

constexpr struct {
  const char* name;
  uint64_t net::NetCounters::*field;
} kNet[] = {
    {"dropped_short", &net::NetCounters::dropped_short},
    {"dropped_not_ours", &net::NetCounters::dropped_not_ours},
    {"dropped_martian", &net::NetCounters::dropped_martian},
    {"dropped_fragment", &net::NetCounters::dropped_fragment},
    {"fragments_in", &net::NetCounters::fragments_in},
    {"packets_reassembled", &net::NetCounters::packets_reassembled},
    {"fragments_refused", &net::NetCounters::fragments_refused},
    {"fragments_evicted", &net::NetCounters::fragments_evicted},
    {"fragments_timed_out", &net::NetCounters::fragments_timed_out},
    {"dropped_checksum", &net::NetCounters::dropped_checksum},
    {"dropped_protocol", &net::NetCounters::dropped_protocol},
    {"dropped_neighbor_message", &net::NetCounters::dropped_neighbor_message},
    {"dropped_icmp", &net::NetCounters::dropped_icmp},
    {"unsent_unresolved", &net::NetCounters::unsent_unresolved},
    {"icmp_errors_in", &net::NetCounters::icmp_errors_in},
    {"icmp_errors_limited", &net::NetCounters::icmp_errors_limited},
    {"echo_requests", &net::NetCounters::echo_requests},
    {"segments_in", &net::NetCounters::segments_in},
    {"address_conflicts", &net::NetCounters::address_conflicts},
};

constexpr struct {
  const char* name;
  int number;
} kErrors[] = {
    {"ECONNRESET", ECONNRESET},     {"ETIMEDOUT", ETIMEDOUT}, {"ECONNREFUSED", ECONNREFUSED},
    {"EHOSTUNREACH", EHOSTUNREACH}, {"EPIPE", EPIPE},         {"ENETUNREACH", ENETUNREACH},
    {"ECONNABORTED", ECONNABORTED}, {"EPROTO", EPROTO},       {"ENOPROTOOPT", ENOPROTOOPT},
};

constexpr const char* kStates[] = {"CLOSED",     "SYN-SENT",   "SYN-RECEIVED", "ESTABLISHED", "FIN-WAIT-1",
                                   "FIN-WAIT-2", "CLOSE-WAIT", "CLOSING",      "LAST-ACK"};

bool read_switch(const std::string& value, bool& out) {
  out = value == "on";
  return value == "on" || value == "off";
}

}  // namespace

bool set_tcp_option(const std::string& name, const std::string& value, tcp::TcpOptions& out) {
  int64_t number = 0;
  for (const auto& each : kNumbers) {
    if (name != each.name) continue;
    if (!read_number(value, number) || number < 0 || number > UINT32_MAX) return false;
    out.*each.field = static_cast<uint32_t>(number);
    return true;
  }
  for (const auto& each : kSwitches) {
    if (name == each.name) return read_switch(value, out.*each.field);
  }
  if (name == "mss_max" && read_number(value, number)) {
    out.mss_max = static_cast<uint16_t>(number);
    return true;
  }
  if (name != "congestion" || (value != "cubic" && value != "newreno")) return false;
  out.congestion = value == "cubic" ? tcp::Congestion::kCubic : tcp::Congestion::kNewReno;
  return true;
}

bool set_nic_option(const std::string& name, const std::string& value, HostOptions& out) {
  for (const auto& each : kCapabilities) {
    if (name == each.name) return read_switch(value, out.nic.capabilities.*each.field);
  }
  int64_t number = 0;
  if (!read_number(value, number) || number < 0 || number > 1'000'000) return false;
  if (name == "mtu") return (out.nic.capabilities.mtu = static_cast<uint16_t>(number)) != 0;
  if (name == "max_pieces") return (out.nic.capabilities.max_pieces = static_cast<uint16_t>(number)) != 0;
  if (name == "rx_piece_bytes") return (out.nic.rx_piece_bytes = static_cast<uint32_t>(number)) != 0;
  if (name == "packets") return (out.nic.packets = static_cast<uint32_t>(number)) != 0;
  if (name == "blocks") return (out.blocks = static_cast<uint32_t>(number)) != 0;
  if (name == "vlan") return (out.net.vlan = static_cast<uint16_t>(number)) != 0;
  return false;
}

bool read_counter(const tcp::TcpCounters& counters, const std::string& name, int64_t& out) {
#define SLUICE_TCP_READ(field)                  \
  if (name == #field) {                         \
    out = static_cast<int64_t>(counters.field); \
    return true;                                \
  }
  SLUICE_TCP_COUNTERS(SLUICE_TCP_READ)
#undef SLUICE_TCP_READ
  return false;
}

bool read_gauge(const tcp::TcpGauges& gauges, const std::string& name, int64_t& out) {
  const struct {
    const char* name;
    uint32_t value;
  } all[] = {{"connections", gauges.connections},
             {"orphans", gauges.orphans},
             {"half_open", gauges.half_open},
             {"time_wait", gauges.time_wait},
             {"active", gauges.active},
             {"packets_sending", gauges.packets_sending},
             {"packets_received", gauges.packets_received}};
  for (const auto& each : all) {
    if (name != each.name) continue;
    out = each.value;
    return true;
  }
  return false;
}

bool read_info(const tcp::ConnectionInfo& info, const std::string& name, int64_t& out) {
  const struct {
    const char* name;
    uint32_t value;
  } all[] = {{"mss", info.mss},
             {"cwnd", info.cwnd},
             {"ssthresh", info.ssthresh},
             {"srtt_us", info.srtt_us},
             {"rto_ms", info.rto_ms},
             {"send_window", info.send_window},
             {"receive_window", info.receive_window},
             {"in_flight", info.in_flight},
             {"send_queue", info.send_queue},
             {"receive_queue", info.receive_queue},
             {"out_of_order", info.out_of_order}};
  for (const auto& each : all) {
    if (name != each.name) continue;
    out = each.value;
    return true;
  }
  return false;
}

bool read_net_counter(const net::NetCounters& counters, const std::string& name, int64_t& out) {
  for (const auto& each : kNet) {
    if (name != each.name) continue;
    out = static_cast<int64_t>(counters.*each.field);
    return true;
  }
  return false;
}

std::string state_name(tcp::State state) { return kStates[static_cast<int>(state)]; }

int error_number(const std::string& name) {
  for (const auto& each : kErrors) {
    if (name == each.name) return each.number;
  }
  return 0;
}

std::string error_name(int number) {
  for (const auto& each : kErrors) {
    if (number == each.number) return each.name;
  }
  return "errno " + std::to_string(number);
}

}  // namespace sluice::sim::script
