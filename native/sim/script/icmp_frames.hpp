#pragma once

#include <string>

#include "sim/script/encode.hpp"
#include "sim/script/fields.hpp"
#include "sim/script/ip_frame.hpp"

namespace sluice::sim::script {

// Type and code of an ICMP error by its name, as in "icmp too-big". False where there is none.
bool icmp_error_type(const std::string& name, bool v4, uint8_t& type, uint8_t& code);
std::string icmp_error_names();

// The message of an echo, an error or a neighbour message into ip.payload, addresses and MAC adapted. False with the reason.
bool fill_icmp(const Packet& packet, const Link& link, const ConnectionState& connection, Fields& fields, IpFrame& ip, std::string& error);

}  // namespace sluice::sim::script
