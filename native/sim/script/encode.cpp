#include "sim/script/encode.hpp"

#include <algorithm>

#include "base/bytes.hpp"
#include "sim/script/fields.hpp"
#include "sim/script/icmp_frames.hpp"
#include "sim/script/ip_frame.hpp"
#include "wire/arp.hpp"
#include "wire/checksum.hpp"
#include "wire/ethernet.hpp"
#include "wire/ipv4.hpp"
#include "wire/tcp.hpp"
#include "wire/tcp_options.hpp"

namespace sluice::sim::script {

namespace {

using Bytes = std::vector<uint8_t>;

uint32_t timestamp_of(const Options& options, ConnectionState& connection) {
  if (!options.value_is_last) connection.peer_ts_last = static_cast<uint32_t>(options.timestamp);
  return connection.peer_ts_last;
}

uint32_t echo_of(const Options& options, const ConnectionState& connection) {
  if (options.echo_is_last) return connection.ts_last;
  return static_cast<uint32_t>(options.echo) + (connection.has_ts_base ? connection.ts_base : 0);
}

Bytes option_bytes(const Options& options, ConnectionState& connection) {
  uint8_t room[120];
  wire::TcpOptionWriter writer(room);
  if (options.has_mss) writer.mss(static_cast<uint16_t>(options.mss));
  if (options.sack_permitted) writer.sack_permitted();
  if (options.has_timestamp) writer.timestamp(timestamp_of(options, connection), echo_of(options, connection));
  if (options.has_shift) writer.window_shift(static_cast<uint8_t>(options.shift));
  wire::SackBlock blocks[4];
  uint32_t count = 0;
  for (const SackRange& range : options.sacks) blocks[count++] = {range.begin + connection.iss, range.end + connection.iss};
  if (count != 0) writer.sacks(blocks, count);
  Bytes out(room, room + writer.bytes());
  out.insert(out.end(), options.raw.begin(), options.raw.end());
  while (out.size() % 4 != 0) out.push_back(0);
  return out;
}

Bytes segment_bytes(const Tcp& tcp, ConnectionState& connection, Fields& fields) {
  if ((tcp.flags & wire::kSyn) != 0) {
    connection.peer_isn = tcp.seq;
    connection.has_peer_isn = true;
  }
  const Bytes options = option_bytes(tcp.options, connection);
  Bytes out(20);
  const int64_t header = fields.number("doff", static_cast<int64_t>(5 + options.size() / 4));
  const uint32_t ack = tcp.ack == kAny ? 0 : static_cast<uint32_t>(tcp.ack) + (connection.has_iss ? connection.iss : 0);
  wire::TcpView::write(out.data(), {.source_port = static_cast<uint16_t>(fields.number("sport", connection.remote_port)),
                                    .target_port = static_cast<uint16_t>(fields.number("dport", connection.local_port)),
                                    .seq = tcp.seq,
                                    .ack = ack,
                                    .window = static_cast<uint16_t>(tcp.window.value),
                                    .header_bytes = 0,
                                    .flags = tcp.flags});
  out[12] = static_cast<uint8_t>(header << 4);
  store_be16(&out[18], static_cast<uint16_t>(fields.number("urgent", 0)));
  out.insert(out.end(), options.begin(), options.end());
  const uint8_t other = fields.word("data", "") == "other" ? 0xff : 0;
  const uint32_t first = tcp.seq + ((tcp.flags & wire::kSyn) != 0 ? 1 : 0) - connection.peer_isn - 1;
  for (int64_t i = 0; i < tcp.length; ++i) out.push_back(peer_byte(first + static_cast<uint32_t>(i)) ^ other);
  return out;
}

// At `at` of the payload, whose field is 0 so far.
void put_checksum(IpFrame& ip, size_t at, bool bad) {
  wire::Checksum sum;
  const auto length = static_cast<uint16_t>(ip.payload.size());
  if (ip.source.is_v4()) {
    wire::add_pseudo_header_v4(sum, ip.source.v4(), ip.target.v4(), ip.protocol, length);
  } else {
    wire::add_pseudo_header_v6(sum, ip.source.bytes, ip.target.bytes, ip.protocol, length);
  }
  sum.add(ip.payload.data(), length);
  wire::store_checksum(&ip.payload[at], static_cast<uint16_t>(sum.finish() ^ (bad ? 0x0101 : 0)));
}

void fill_udp(IpFrame& ip, Fields& fields) {
  constexpr size_t kHeader = 8;
  ip.payload.resize(kHeader + static_cast<size_t>(fields.number("bytes", 16)));
  for (size_t i = kHeader; i < ip.payload.size(); ++i) ip.payload[i] = peer_byte(i);
  store_be16(&ip.payload[0], static_cast<uint16_t>(fields.number("sport", 5'000)));
  store_be16(&ip.payload[2], static_cast<uint16_t>(fields.number("dport", 5'001)));
  store_be16(&ip.payload[4], static_cast<uint16_t>(fields.number("udplen", static_cast<int64_t>(ip.payload.size()))));
  const std::string checksum = fields.word("checksum", "");
  if (checksum != "none") put_checksum(ip, 6, checksum == "bad");
}

IpFrame ip_frame(const Link& link, Fields& fields, uint8_t protocol) {
  IpFrame out;
  out.source = fields.address("src", link.peer);
  out.target = fields.address("dst", link.stack);
  out.protocol = protocol;
  out.source_mac = link.peer_mac;
  out.target_mac = link.stack_mac;
  out.vlan = link.vlan;
  return out;
}

Bytes arp_frame(const Packet& packet, const Link& link, Fields& fields) {
  static constexpr nic::MacAddress kNobody{};
  static constexpr nic::MacAddress kAll{{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};
  const bool request = packet.what == "request";
  const nic::MacAddress sender = fields.mac("smac", link.peer_mac);
  const nic::MacAddress target = fields.mac("tmac", request ? kNobody : link.stack_mac);
  Bytes out(14 + 4);
  out.resize(wire::EthernetView::write(out.data(), fields.mac("mac", request ? kAll : link.stack_mac).bytes,
                                       fields.mac("srcmac", sender).bytes, wire::kTypeArp,
                                       static_cast<uint16_t>(fields.number("vlan", link.vlan))));
  const size_t head = out.size();
  out.resize(head + wire::ArpView::kBytes);
  const auto operation = static_cast<uint16_t>(fields.number("operation", request ? wire::ArpView::kRequest : wire::ArpView::kReply));
  wire::ArpView::write(&out[head], operation, sender.bytes, fields.address("sender", link.peer).v4(), target.bytes,
                       fields.address("target", link.stack).v4());
  out.resize(out.size() - static_cast<size_t>(fields.number("cut", 0)));
  return out;
}

}  // namespace

std::vector<std::vector<uint8_t>> encode(const Packet& packet, const Link& link, ConnectionState& connection, std::string& error) {
  Fields fields(packet.fields);
  std::vector<Bytes> out;
  if (packet.kind == PacketKind::kTcp) {
    IpFrame ip = ip_frame(link, fields, wire::kProtocolTcp);
    ip.payload = segment_bytes(packet.tcp, connection, fields);
    put_checksum(ip, wire::TcpView::kChecksumOffset, fields.word("checksum", "") == "bad");
    out = to_frames(std::move(ip), fields);
  } else if (packet.kind == PacketKind::kArp) {
    if (packet.what != "request" && packet.what != "reply") {
      error = "arp is followed by request or reply";
      return {};
    }
    out = {arp_frame(packet, link, fields)};
  } else if (packet.kind == PacketKind::kUdp) {
    IpFrame ip = ip_frame(link, fields, wire::kProtocolUdp);
    fill_udp(ip, fields);
    out = to_frames(std::move(ip), fields);
  } else if (packet.kind == PacketKind::kIp) {
    IpFrame ip = ip_frame(link, fields, static_cast<uint8_t>(fields.number("protocol", 253)));
    ip.payload.resize(static_cast<size_t>(fields.number("bytes", 8)));
    out = to_frames(std::move(ip), fields);
  } else {
    IpFrame ip = ip_frame(link, fields, link.stack.is_v4() ? wire::kProtocolIcmp : wire::kProtocolIcmpv6);
    if (!fill_icmp(packet, link, connection, fields, ip, error)) return {};
    out = to_frames(std::move(ip), fields);
  }
  if (!fields.good(error)) return {};
  return out;
}

}  // namespace sluice::sim::script
