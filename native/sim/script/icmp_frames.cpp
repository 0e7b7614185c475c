#include "sim/script/icmp_frames.hpp"

#include <cstring>

#include "base/bytes.hpp"
#include "wire/checksum.hpp"
#include "wire/icmp.hpp"
#include "wire/icmpv6.hpp"
#include "wire/ipv4.hpp"
#include "wire/ipv6.hpp"
#include "wire/tcp.hpp"

namespace sluice::sim::script {

namespace {

using Bytes = std::vector<uint8_t>;

constexpr struct {
  const char* name;
  uint8_t type4, code4;
  uint8_t type6, code6;
} kErrors[] = {
    {"net", 3, 0, 1, 0},    {"host", 3, 1, 1, 3}, {"protocol", 3, 2, 4, 1}, {"port", 3, 3, 1, 4},       {"too-big", 3, 4, 2, 0},
    {"admin", 3, 13, 1, 1}, {"ttl", 11, 0, 3, 0}, {"quench", 4, 0, 4, 0},   {"redirect", 5, 0, 137, 0},
};

wire::Checksum pseudo(const IpFrame& ip, size_t length) {
  wire::Checksum sum;
  if (!ip.source.is_v4()) {
    wire::add_pseudo_header_v6(sum, ip.source.bytes, ip.target.bytes, wire::kProtocolIcmpv6, static_cast<uint32_t>(length));
  }
  return sum;
}

void finish(IpFrame& ip, uint8_t type, uint8_t code, uint32_t rest, Fields& fields) {
  wire::IcmpView::write(ip.payload.data(), static_cast<uint32_t>(ip.payload.size()), type, code, rest, pseudo(ip, ip.payload.size()));
  if (fields.word("checksum", "") == "bad") ip.payload[2] ^= 0x55;
}

void echo(bool reply, Fields& fields, IpFrame& ip) {
  const bool v4 = ip.source.is_v4();
  const auto rest = static_cast<uint32_t>(fields.number("id", 1) << 16 | fields.number("seq", 1));
  ip.payload.resize(8 + static_cast<size_t>(fields.number("bytes", 56)));
  for (size_t i = 8; i < ip.payload.size(); ++i) ip.payload[i] = peer_byte(i);
  const uint8_t type = v4 ? (reply ? 0 : 8) : (reply ? 129 : 128);
  finish(ip, type, 0, rest, fields);
}

// A packet of the stack's, as a router quotes it: its IP header and the first bytes of its segment.
Bytes quoted(const Link& link, const ConnectionState& connection, Fields& fields) {
  const net::IpAddress source = fields.address("qsrc", link.stack);
  const net::IpAddress target = fields.address("qdst", link.peer);
  const bool v4 = source.is_v4();
  const auto length = static_cast<uint16_t>(fields.number("qlen", 1500));
  Bytes out(v4 ? 20 : 40);
  const auto protocol = static_cast<uint8_t>(fields.number("qprotocol", wire::kProtocolTcp));
  if (v4) {
    wire::Ipv4View::write(out.data(), {.total_bytes = length, .protocol = protocol, .source = source.v4(), .target = target.v4()});
  } else {
    wire::Ipv6View::write(
        out.data(),
        {.payload_bytes = static_cast<uint16_t>(length - 40), .next_header = protocol, .source = source.bytes, .target = target.bytes});
  }
  uint8_t tcp[20];
  wire::TcpView::write(tcp, {.source_port = static_cast<uint16_t>(fields.number("qsport", connection.local_port)),
                             .target_port = static_cast<uint16_t>(fields.number("qdport", connection.remote_port)),
                             .seq = static_cast<uint32_t>(fields.number("quote", 1)) + connection.iss,
                             .ack = connection.peer_isn + 1,
                             .window = 1'000,
                             .header_bytes = 20,
                             .flags = wire::kAck});
  const auto bytes = static_cast<size_t>(fields.number("qbytes", v4 ? 8 : 20));
  out.insert(out.end(), tcp, tcp + std::min<size_t>(bytes, sizeof tcp));
  return out;
}

void neighbor(bool solicit, const Link& link, Fields& fields, IpFrame& ip) {
  const net::IpAddress target = fields.address("target", solicit ? link.stack : link.peer);
  ip.ttl = 255;
  if (solicit && !fields.has("dst")) {
    // The solicited-node group of the target (RFC 4291 §2.7.1), and the MAC for it (RFC 2464 §7).
    static constexpr uint8_t kGroup[13] = {0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff};
    std::memcpy(ip.target.bytes, kGroup, 13);
    std::memcpy(ip.target.bytes + 13, target.bytes + 13, 3);
    ip.target_mac = {{0x33, 0x33, 0xff, target.bytes[13], target.bytes[14], target.bytes[15]}};
  }
  const bool with_mac = fields.word("option", "mac") == "mac";
  ip.payload.resize(with_mac ? wire::NeighborView::kBytesWithMac : wire::NeighborView::kBytes);
  const nic::MacAddress mac = fields.mac("lladdr", link.peer_mac);
  if (with_mac) {
    const uint8_t option = solicit ? wire::NeighborView::kOptionSourceMac : wire::NeighborView::kOptionTargetMac;
    wire::NeighborView::write_body(ip.payload.data(), target.bytes, option, mac.bytes);
    ip.payload[25] = static_cast<uint8_t>(fields.number("optlen", 1));
  } else {
    std::memcpy(&ip.payload[8], target.bytes, 16);
  }
  uint32_t flags = 0;
  if (!solicit) {
    flags =
        static_cast<uint32_t>(fields.number("router", 0) << 31 | fields.number("solicited", 1) << 30 | fields.number("override", 1) << 29);
  }
  finish(ip, solicit ? wire::icmpv6::kNeighborSolicitation : wire::icmpv6::kNeighborAdvertisement,
         static_cast<uint8_t>(fields.number("code", 0)), flags, fields);
}

}  // namespace

bool icmp_error_type(const std::string& name, bool v4, uint8_t& type, uint8_t& code) {
  for (const auto& each : kErrors) {
    if (name != each.name) continue;
    type = v4 ? each.type4 : each.type6;
    code = v4 ? each.code4 : each.code6;
    return true;
  }
  return false;
}

std::string icmp_error_names() {
  std::string out;
  for (const auto& each : kErrors) out += (out.empty() ? "" : ", ") + std::string(each.name);
  return out;
}

bool fill_icmp(const Packet& packet, const Link& link, const ConnectionState& connection, Fields& fields, IpFrame& ip, std::string& error) {
  switch (packet.kind) {
    case PacketKind::kEcho:
      echo(false, fields, ip);
      return true;
    case PacketKind::kEchoReply:
      echo(true, fields, ip);
      return true;
    case PacketKind::kSolicit:
      neighbor(true, link, fields, ip);
      return true;
    case PacketKind::kAdvertise:
      neighbor(false, link, fields, ip);
      return true;
    default:
      break;
  }
  uint8_t type = 0;
  uint8_t code = 0;
  if (!icmp_error_type(packet.what, ip.source.is_v4(), type, code)) {
    error = "icmp is followed by one of " + icmp_error_names() + ", not '" + packet.what + "'";
    return false;
  }
  ip.payload.assign(8, 0);
  const Bytes quote = quoted(link, connection, fields);
  ip.payload.insert(ip.payload.end(), quote.begin(), quote.end());
  finish(ip, type, code, static_cast<uint32_t>(fields.number("mtu", 0)), fields);
  return true;
}

}  // namespace sluice::sim::script
