#pragma once

#include <cstdint>
#include <string>

#include "wiregen/script.hpp"

namespace sluice::wiregen {

// What holds for a whole run. Addresses in host order; of IPv6 they are the last 32 bits, behind the prefixes.
struct Settings {
  bool ipv6 = false;
  uint8_t server_prefix[12] = {};
  uint8_t client_prefix[12] = {};
  uint8_t local_prefix[12] = {};
  uint32_t server_address = 0;
  std::string server_text;       // as it stood in the scenario, IPv6 in brackets
  uint16_t server_port = 0;
  bool server_mac_known = false;
  uint8_t server_mac[6] = {};
  std::string path = "/";
  std::string host;              // Host field; empty: the server's address
  std::string subprotocol;       // "sluice.v1": hello and sub follow the upgrade
  std::string token;             // hello's token

  uint32_t clients = 0;
  uint32_t first_host = 0;
  uint32_t hosts = 1;
  uint32_t local_address = 0;    // answers ARP besides the clients' hosts; asks for the server's

  // Channel names are this and eight digits. The first `crowd` clients subscribe channel 0, the others are dealt out to the rest.
  std::string channel = "bench";
  uint32_t channels = 1;
  uint32_t crowd = 0;
  bool early = false;            // sub goes with hello, as it does not need what welcome says; not of a session that is resumed

  uint16_t mss = 0;              // 0: what Ethernet takes
  uint16_t segment_bytes() const noexcept { return mss != 0 ? mss : ipv6 ? 1440 : 1460; }
  uint16_t window = 65535;
  bool timestamps = true;
  uint32_t rto_ms = 250;         // doubles with each timeout in a row
  uint32_t syn_rto_ms = 1000;
  uint32_t max_timeouts = 8;
  uint64_t seed = 1;

  uint32_t channel_of(uint32_t client) const noexcept {
    if (crowd == 0) return client % channels;
    return client < crowd || channels == 1 ? 0 : 1 + client % (channels - 1);
  }
  bool gateway() const noexcept { return subprotocol == "sluice.v1"; }
};

// Takes a line that is a setting: server, clients, channels or tcp. False where it is something else.
bool read_setting(Statement& line, Settings& out);
// What is missing.
std::string check_settings(const Settings& settings);

}  // namespace sluice::wiregen
