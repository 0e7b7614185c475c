#include "wiregen/settings.hpp"

#include <arpa/inet.h>

#include <cstdio>
#include <cstdlib>

namespace sluice::wiregen {

namespace {

bool parse_address(const std::string& text, uint32_t& out) {
  in_addr address;
  if (inet_pton(AF_INET, text.c_str(), &address) != 1) return false;
  out = ntohl(address.s_addr);
  return true;
}

void server(Statement& line, Settings& out) {
  const std::string address = line.text("address", "");
  const size_t colon = address.rfind(':');
  const int port = colon == std::string::npos ? 0 : std::atoi(address.c_str() + colon + 1);
  if (port < 1 || port > 65535 || !parse_address(address.substr(0, colon), out.server_address)) {
    line.wrong("address=" + address + " must be IPv4:PORT");
  }
  out.server_port = static_cast<uint16_t>(port);
  out.path = line.text("path", "/");
  if (out.path.empty() || out.path[0] != '/') line.wrong("path must begin with /");
  out.host = line.text("host", "");
  out.subprotocol = line.text("protocol", "");
  out.token = line.text("token", "");
  const std::string mac = line.text("mac", "");
  if (mac.empty()) return;
  unsigned bytes[6];
  out.server_mac_known =
      std::sscanf(mac.c_str(), "%2x:%2x:%2x:%2x:%2x:%2x", &bytes[0], &bytes[1], &bytes[2], &bytes[3], &bytes[4], &bytes[5]) == 6;
  if (!out.server_mac_known) return line.wrong("mac=" + mac + " must be six bytes such as 02:00:00:00:00:01");
  for (int i = 0; i < 6; ++i) out.server_mac[i] = static_cast<uint8_t>(bytes[i]);
}

// Clients live on the hosts of a network: its first address is the generator's own (it asks for the server's MAC from there) unless
// `local` names another, the ones behind it are theirs.
void clients(Statement& line, Settings& out) {
  out.clients = static_cast<uint32_t>(line.number("count", 0, 0, 100e6));
  const std::string network = line.text("network", "");
  const size_t slash = network.find('/');
  const int bits = slash == std::string::npos ? 0 : std::atoi(network.c_str() + slash + 1);
  uint32_t base = 0;
  if (bits < 1 || bits > 30 || !parse_address(network.substr(0, slash), base)) {
    return line.wrong("network=" + network + " must be IPv4/BITS with 1 to 30 bits");
  }
  base &= ~0u << (32 - bits);
  const uint32_t room = (1u << (32 - bits)) - 3;  // without the network, the broadcast and the generator's own address
  out.local_address = base + 1;
  const std::string local = line.text("local", "");
  if (!local.empty() && !parse_address(local, out.local_address)) line.wrong("local=" + local + " is no IPv4 address");
  out.first_host = base + 2;
  const uint32_t fallback = out.clients / 500 < 16 ? 16 : out.clients / 500;
  out.hosts = static_cast<uint32_t>(line.number("hosts", fallback < room ? fallback : room, 1, room));
  if (out.server_address - out.first_host < out.hosts) {
    // The server in the middle of the clients' addresses would be taken for a client.
    line.wrong("the server's address is one of the clients': choose another network");
  }
}

void channels(Statement& line, Settings& out) {
  out.channel = line.text("name", out.channel);
  out.channels = static_cast<uint32_t>(line.number("count", 1, 1, 99'999'999));
  out.crowd = static_cast<uint32_t>(line.number("crowd", 0, 0, 100e6));
  if (out.crowd > 0 && out.channels < 2) line.wrong("crowd needs count=2 or more: channel 0 is the crowd's");
}

void tcp(Statement& line, Settings& out) {
  out.mss = static_cast<uint16_t>(line.number("mss", out.mss, 88, 8960));
  out.window = static_cast<uint16_t>(line.number("window", out.window, 1024, 65535));
  out.timestamps = line.text("timestamps", "yes") != "no";
  out.rto_ms = static_cast<uint32_t>(line.seconds("rto", out.rto_ms / 1e3) * 1e3);
  out.syn_rto_ms = static_cast<uint32_t>(line.seconds("syn_rto", out.syn_rto_ms / 1e3) * 1e3);
  if (out.rto_ms < 10 || out.syn_rto_ms < 10) line.wrong("a retransmission timeout must be 10ms or more");
  out.max_timeouts = static_cast<uint32_t>(line.number("timeouts", out.max_timeouts, 1, 15));
}

}  // namespace

bool read_setting(Statement& line, Settings& out) {
  if (line.verb() == "server") server(line, out);
  else if (line.verb() == "clients") clients(line, out);
  else if (line.verb() == "channels") channels(line, out);
  else if (line.verb() == "tcp") tcp(line, out);
  else return false;
  return true;
}

std::string check_settings(const Settings& settings) {
  if (settings.server_port == 0) return "the scenario needs a line 'server address=IPv4:PORT'";
  if (settings.clients == 0) return "the scenario needs a line 'clients count=N network=IPv4/BITS'";
  return "";
}

}  // namespace sluice::wiregen
