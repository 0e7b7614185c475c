#pragma once

#include <algorithm>
#include <cstdint>
#include <string>

#include "wiregen/client.hpp"

namespace sluice::wiregen {

// Which address and port a client has. Clients are dealt out to hosts one by one, so that any stretch of clients is spread over all of
// them. A client that opens again takes the port of its next generation, as an operating system's ephemeral ports do. Both ways are
// arithmetic: no table of flows.
class AddressPlan {
 public:
  static constexpr uint32_t kFirstPort = 1024;
  static constexpr uint32_t kPorts = 65536 - kFirstPort;

  // Addresses in host order; hosts are first_host, first_host + 1, … Says why not where the clients do not fit.
  bool plan(uint32_t first_host, uint32_t hosts, uint32_t clients, std::string& error) {
    first_host_ = first_host;
    hosts_ = std::max(hosts, 1u);
    clients_ = clients;
    slots_ = (clients + hosts_ - 1) / hosts_;
    if (slots_ == 0) slots_ = 1;
    if (slots_ > kPorts) {
      error = std::to_string(clients) + " clients need more than " + std::to_string(hosts_) + " hosts: a host has " +
              std::to_string(kPorts) + " ports";
      return false;
    }
    generations_ = std::min(kPorts / slots_, 256u);
    return true;
  }

  uint32_t hosts() const noexcept { return hosts_; }
  uint32_t generations() const noexcept { return generations_; }
  uint32_t clients() const noexcept { return clients_; }

  uint32_t address(ClientId id) const noexcept { return first_host_ + id % hosts_; }
  uint16_t port(ClientId id, uint8_t generation) const noexcept {
    return static_cast<uint16_t>(kFirstPort + id / hosts_ + generation % generations_ * slots_);
  }
  bool is_host(uint32_t address) const noexcept { return address - first_host_ < hosts_; }

  // kNoClient where nobody ever has that address and port. Whether it is the port of the client's present generation is the
  // caller's to check: port() tells.
  ClientId find(uint32_t address, uint16_t port) const noexcept {
    const uint32_t host = address - first_host_;
    if (host >= hosts_ || port < kFirstPort) return kNoClient;
    const uint64_t id = static_cast<uint64_t>((port - kFirstPort) % slots_) * hosts_ + host;
    return id < clients_ ? static_cast<ClientId>(id) : kNoClient;
  }

 private:
  uint32_t first_host_ = 0;
  uint32_t hosts_ = 1;
  uint32_t clients_ = 0;
  uint32_t slots_ = 1;
  uint32_t generations_ = 1;
};

}  // namespace sluice::wiregen
