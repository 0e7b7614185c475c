#pragma once

#include <string>

#include "net/options.hpp"

namespace sluice::net {

// "10.9.0.1" or "fd00::1". False where it is neither.
bool parse_address(const std::string& text, IpAddress& out) noexcept;
// The same with its prefix: "10.9.0.1/24".
bool parse_address_with_prefix(const std::string& text, InterfaceAddress& out) noexcept;

}  // namespace sluice::net
