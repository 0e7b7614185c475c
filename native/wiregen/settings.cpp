#include "wiregen/settings.hpp"

#include <arpa/inet.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "base/bytes.hpp"

namespace sluice::wiregen {

namespace {

struct Address {
  bool ipv6 = false;
  uint8_t prefix[12] = {};
  uint32_t low = 0;
};

bool parse_address(const std::string& text, Address& out) {
  uint8_t bytes[16];
  out = {};
  if (inet_pton(AF_INET, text.c_str(), bytes) == 1) {
    out.low = load_be32(bytes);
    return true;
  }
  if (inet_pton(AF_INET6, text.c_str(), bytes) != 1) return false;
  out.ipv6 = true;
  std::memcpy(out.prefix, bytes, sizeof out.prefix);
  out.low = load_be32(bytes + sizeof out.prefix);
  return true;
}

// IPv4:PORT or [IPv6]:PORT.
bool parse_server(const std::string& text, Settings& out) {
  const size_t colon = text.rfind(':');
  const int port = colon == std::string::npos ? 0 : std::atoi(text.c_str() + colon + 1);
  out.server_text = text.substr(0, colon);
  const bool bracketed = out.server_text.size() > 2 && out.server_text.front() == '[' && out.server_text.back() == ']';
  Address address;
  const std::string plain = bracketed ? out.server_text.substr(1, out.server_text.size() - 2) : out.server_text;
  if (port < 1 || port > 65535 || !parse_address(plain, address) || address.ipv6 != bracketed) return false;
  out.ipv6 = address.ipv6;
  std::memcpy(out.server_prefix, address.prefix, sizeof out.server_prefix);
  out.server_address = address.low;
  out.server_port = static_cast<uint16_t>(port);
  return true;
}

void server(Statement& line, Settings& out) {
  const std::string address = line.text("address", "");
  if (!parse_server(address, out)) line.wrong("address=" + address + " must be IPv4:PORT or [IPv6]:PORT");
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
// `local` names another, the ones behind it are theirs. What a network of IPv6 has beyond 96 bits of prefix is counted as in IPv4.
void clients(Statement& line, Settings& out) {
  out.clients = static_cast<uint32_t>(line.number("count", 0, 0, 100e6));
  const std::string network = line.text("network", "");
  const size_t slash = network.find('/');
  int bits = slash == std::string::npos ? 0 : std::atoi(network.c_str() + slash + 1);
  Address base;
  const bool parsed = parse_address(network.substr(0, slash), base);
  if (base.ipv6) bits -= 96;
  if (!parsed || bits < (base.ipv6 ? 0 : 1) || bits > 30) {
    return line.wrong("network=" + network + " must be IPv4/BITS with 1 to 30 bits, or IPv6/BITS with 96 to 126");
  }
  base.low &= bits == 0 ? 0 : ~0u << (32 - bits);
  // Without the network, the broadcast and the generator's own address.
  const uint32_t room = (bits == 0 ? ~0u : (1u << (32 - bits)) - 1) - 2;
  const std::string local = line.text("local", "");
  Address own = base;
  own.low = base.low + 1;
  if (!local.empty() && !parse_address(local, own)) line.wrong("local=" + local + " is no address");
  if (base.ipv6 != out.ipv6 || own.ipv6 != out.ipv6) {
    line.wrong("the addresses of server and clients must be all IPv4 or all IPv6, and the server's line comes first");
  }
  std::memcpy(out.client_prefix, base.prefix, sizeof out.client_prefix);
  std::memcpy(out.local_prefix, own.prefix, sizeof out.local_prefix);
  out.local_address = own.low;
  out.first_host = base.low + 2;
  const uint32_t fallback = out.clients / 500 < 16 ? 16 : out.clients / 500;
  out.hosts = static_cast<uint32_t>(line.number("hosts", fallback < room ? fallback : room, 1, room));
  const bool same = std::memcmp(out.server_prefix, out.client_prefix, sizeof out.server_prefix) == 0;
  if (same && out.server_address - out.first_host < out.hosts) {
    // The server in the middle of the clients' addresses would be taken for a client.
    line.wrong("the server's address is one of the clients': choose another network");
  }
}

void channels(Statement& line, Settings& out) {
  out.channel = line.text("name", out.channel);
  out.channels = static_cast<uint32_t>(line.number("count", 1, 1, 99'999'999));
  out.crowd = static_cast<uint32_t>(line.number("crowd", 0, 0, 100e6));
  out.early = line.text("early", "no") == "yes";
  if (out.crowd > 0 && out.channels < 2) line.wrong("crowd needs count=2 or more: channel 0 is the crowd's");
}

void tcp(Statement& line, Settings& out) {
  out.mss = static_cast<uint16_t>(line.number("mss", out.mss, 0, 8960));
  if (out.mss != 0 && out.mss < 88) line.wrong("mss must be 88 or more");
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
  if (settings.server_port == 0) return "the scenario needs a line 'server address=IPv4:PORT' or '[IPv6]:PORT'";
  if (settings.clients == 0) return "the scenario needs a line 'clients count=N network=IPv4/BITS' or 'IPv6/BITS'";
  return "";
}

}  // namespace sluice::wiregen
