#include "sim/script/match.hpp"

#include <cstdio>
#include <cstring>
#include <optional>

#include "sim/net/tcp_frame.hpp"
#include "sim/script/fields.hpp"
#include "sim/script/icmp_frames.hpp"
#include "wire/arp.hpp"
#include "wire/ethernet.hpp"
#include "wire/icmp.hpp"
#include "wire/icmpv6.hpp"
#include "wire/ipv4.hpp"
#include "wire/ipv6.hpp"

namespace sluice::sim::script {

namespace {

std::string differs(const char* what, int64_t expected, int64_t actual) {
  return std::string(what) + " is " + std::to_string(actual) + ", not " + std::to_string(expected);
}

std::string mac_text(const uint8_t* mac) {
  char text[18];
  std::snprintf(text, sizeof text, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
  return text;
}

// ---- TCP ----

std::string option_difference(const Options& expected, const TcpFrame& frame, const ConnectionState& state) {
  const wire::TcpOptions& got = frame.options;
  if (!frame.options_good) return "the options are malformed";
  const bool strict = !expected.others;
  if (expected.has_mss ? got.mss == 0 : strict && got.mss != 0) return "the option mss";
  if (expected.has_mss && expected.mss != kAny && got.mss != expected.mss) return differs("mss", expected.mss, got.mss);
  if (expected.sack_permitted ? !got.sack_permitted : strict && got.sack_permitted) return "the option sackOK";
  if (expected.has_shift ? !got.has_window_shift : strict && got.has_window_shift) return "the option wscale";
  if (expected.has_shift && expected.shift != kAny && got.window_shift != expected.shift) {
    return differs("wscale", expected.shift, got.window_shift);
  }
  if (expected.has_timestamp ? !got.has_timestamp : strict && got.has_timestamp) return "the option ts";
  if (expected.has_timestamp && !expected.value_is_last && expected.timestamp != kAny &&
      got.timestamp - state.ts_base != static_cast<uint32_t>(expected.timestamp)) {
    return differs("the timestamp", expected.timestamp, got.timestamp - state.ts_base);
  }
  if (expected.has_timestamp && expected.echo_is_last && got.timestamp_echo != state.peer_ts_last) {
    return differs("the timestamp's echo", state.peer_ts_last, got.timestamp_echo);
  }
  if (expected.has_timestamp && !expected.echo_is_last && expected.echo != kAny && got.timestamp_echo != expected.echo) {
    return differs("the timestamp's echo", expected.echo, got.timestamp_echo);
  }
  if (expected.sacks.empty() && !strict) return "";
  if (expected.sacks.size() != got.sack_count)
    return differs("the number of SACK blocks", static_cast<int64_t>(expected.sacks.size()), got.sack_count);
  for (uint32_t i = 0; i < got.sack_count; ++i) {
    if (got.sacks[i].begin != expected.sacks[i].begin || got.sacks[i].end != expected.sacks[i].end) {
      return "SACK block " + std::to_string(i + 1) + " is " + std::to_string(got.sacks[i].begin) + ":" + std::to_string(got.sacks[i].end);
    }
  }
  return "";
}

std::string payload_difference(const TcpFrame& frame, const ConnectionState& state) {
  const uint32_t first = frame.seq + (frame.has(wire::kSyn) ? 1u : 0u) - state.iss - 1;
  for (uint32_t i = 0; i < frame.payload_bytes; ++i) {
    const uint8_t right = stack_byte(first + i);
    if (frame.payload[i] != right) return "payload byte " + std::to_string(i) + " is not what the application wrote there";
  }
  return "";
}

std::string tcp_difference(const Packet& expected, const TcpFrame& frame, const ConnectionState& state, Fields& fields) {
  const Tcp& want = expected.tcp;
  // When PSH is set is the sender's choice (RFC 9293 §3.9.1.2); a script may ask for it.
  const uint8_t ignored = (want.flags & wire::kPsh) == 0 ? wire::kPsh : 0;
  if ((frame.flags & ~ignored) != (want.flags & ~ignored)) return "other flags";
  if (!frame.checksums_good) return "a checksum is wrong";
  const uint32_t seq = frame.seq - state.iss;
  if (!want.any_seq && seq != want.seq) return differs("the sequence number", want.seq, seq);
  if (want.length != kAny && frame.payload_bytes != want.length) return differs("the payload's length", want.length, frame.payload_bytes);
  if (frame.has(wire::kAck) && want.ack != kAny && frame.ack != static_cast<uint32_t>(want.ack)) {
    return differs("the acknowledgement", want.ack, frame.ack);
  }
  if (!want.window.holds(frame.window)) return "the window is " + std::to_string(frame.window) + ", not " + want.window.text();
  const std::string ecn = fields.word("ecn", "");
  static constexpr const char* kEcn[] = {"none", "ect1", "ect0", "ce"};
  if (!ecn.empty() && ecn != kEcn[frame.ecn]) return std::string("the packet's ecn is ") + kEcn[frame.ecn];
  if (fields.number("df", frame.dont_fragment) != frame.dont_fragment) return "don't-fragment";
  if (want.options.given) {
    const std::string difference = option_difference(want.options, frame, state);
    if (!difference.empty()) return difference;
  }
  return payload_difference(frame, state);
}

// ---- the others ----

struct Message {
  bool v6 = false;
  net::IpAddress source{};
  net::IpAddress target{};
  uint8_t ttl = 0;
  uint8_t* at = nullptr;
  uint32_t bytes = 0;
};

std::optional<Message> icmp_message(const std::vector<uint8_t>& frame) {
  auto* const bytes = const_cast<uint8_t*>(frame.data());
  const auto ethernet = wire::EthernetView::parse(bytes, static_cast<uint32_t>(frame.size()));
  if (!ethernet) return std::nullopt;
  uint8_t* const at = bytes + ethernet->header_bytes();
  const uint32_t left = static_cast<uint32_t>(frame.size()) - ethernet->header_bytes();
  Message out;
  if (const auto ip = wire::Ipv4View::parse(at, left); ethernet->type() == wire::kTypeIpv4 && ip && ip->protocol() == wire::kProtocolIcmp) {
    out = {
        false, net::IpAddress::from_v4(ip->source()), net::IpAddress::from_v4(ip->target()), ip->ttl(), ip->payload(), ip->payload_bytes()};
    return wire::IcmpView::parse(out.at, out.bytes) ? std::optional(out) : std::nullopt;
  }
  const auto ip = wire::Ipv6View::parse(at, left);
  if (ethernet->type() != wire::kTypeIpv6 || !ip || ip->next_header() != wire::kProtocolIcmpv6) return std::nullopt;
  out = {true, {}, {}, ip->hop_limit(), ip->payload(), ip->payload_bytes()};
  std::memcpy(out.source.bytes, ip->source(), 16);
  std::memcpy(out.target.bytes, ip->target(), 16);
  return wire::IcmpView::parse(out.at, out.bytes) ? std::optional(out) : std::nullopt;
}

bool checksum_good(const Message& message, const wire::IcmpView& icmp) {
  wire::Checksum sum;
  if (message.v6) wire::add_pseudo_header_v6(sum, message.source.bytes, message.target.bytes, wire::kProtocolIcmpv6, message.bytes);
  return icmp.checksum_good(sum);
}

std::string echo_difference(const Message& message, const wire::IcmpView& icmp, Fields& fields) {
  if (icmp.type() != (message.v6 ? 129 : 0)) return "another ICMP type";
  const auto rest = static_cast<uint32_t>(fields.number("id", 1) << 16 | fields.number("seq", 1));
  if (icmp.rest() != rest) return "identifier or sequence number";
  const auto bytes = static_cast<uint32_t>(fields.number("bytes", 56));
  if (icmp.body_bytes() != bytes) return differs("the echo's length", bytes, icmp.body_bytes());
  for (uint32_t i = 0; i < bytes; ++i) {
    if (icmp.body()[i] != peer_byte(8 + i)) return "the echo's data";
  }
  return "";
}

std::string neighbor_difference(const Packet& expected, const Link& link, const Message& message, const wire::IcmpView& icmp,
                                Fields& fields) {
  const bool solicit = expected.kind == PacketKind::kSolicit;
  if (icmp.type() != (solicit ? wire::icmpv6::kNeighborSolicitation : wire::icmpv6::kNeighborAdvertisement)) return "another ICMP type";
  const auto neighbor = wire::NeighborView::parse(message.at, message.bytes);
  if (!neighbor) return "no well-formed neighbour message";
  const net::IpAddress target = fields.address("target", solicit ? link.peer : link.stack);
  if (std::memcmp(neighbor->target(), target.bytes, 16) != 0) return "another target";
  if (message.ttl != 255) return differs("the hop limit", 255, message.ttl);
  if (!solicit) {
    const uint32_t flags = neighbor->flags();
    if (fields.number("solicited", flags >> 30 & 1) != (flags >> 30 & 1)) return "the flag solicited";
    if (fields.number("override", flags >> 29 & 1) != (flags >> 29 & 1)) return "the flag override";
  }
  const uint8_t* const mac = neighbor->mac(solicit ? wire::NeighborView::kOptionSourceMac : wire::NeighborView::kOptionTargetMac);
  const bool wanted = fields.word("option", "mac") == "mac";
  if (wanted != (mac != nullptr)) return "the option with the MAC";
  return mac != nullptr && std::memcmp(mac, link.stack_mac.bytes, 6) != 0 ? "the MAC in it" : "";
}

std::string icmp_difference(const Packet& expected, const Link& link, const Message& message, Fields& fields) {
  const auto icmp = wire::IcmpView::parse(message.at, message.bytes);
  if (!checksum_good(message, *icmp)) return "its checksum is wrong";
  if (message.source != fields.address("src", message.source)) return "another source";
  if (message.target != fields.address("dst", message.target)) return "another target";
  if (expected.kind == PacketKind::kEchoReply) return echo_difference(message, *icmp, fields);
  if (expected.kind == PacketKind::kSolicit || expected.kind == PacketKind::kAdvertise) {
    return neighbor_difference(expected, link, message, *icmp, fields);
  }
  uint8_t type = 0;
  uint8_t code = 0;
  if (!icmp_error_type(expected.what, !message.v6, type, code)) return "'" + expected.what + "' is none of " + icmp_error_names();
  return icmp->type() == type && icmp->code() == code ? "" : "another ICMP type or code";
}

std::string arp_difference(const Packet& expected, const Link& link, const std::vector<uint8_t>& frame, Fields& fields) {
  auto* const bytes = const_cast<uint8_t*>(frame.data());
  const auto ethernet = wire::EthernetView::parse(bytes, static_cast<uint32_t>(frame.size()));
  if (!ethernet || ethernet->type() != wire::kTypeArp) return "no ARP";
  const auto arp = wire::ArpView::parse(bytes + ethernet->header_bytes(), static_cast<uint32_t>(frame.size()) - ethernet->header_bytes());
  if (!arp) return "no well-formed ARP";
  const bool request = expected.what == "request";
  if (arp->operation() != (request ? wire::ArpView::kRequest : wire::ArpView::kReply)) return "another operation";
  if (std::memcmp(arp->sender_mac(), link.stack_mac.bytes, 6) != 0) return "the sender's MAC is " + mac_text(arp->sender_mac());
  const net::IpAddress sender = net::IpAddress::from_v4(arp->sender_ip());
  const net::IpAddress target = net::IpAddress::from_v4(arp->target_ip());
  if (sender != fields.address("sender", sender)) return "the sender is " + to_text(sender);
  if (target != fields.address("target", target)) return "the target is " + to_text(target);
  nic::MacAddress to{};
  std::memcpy(to.bytes, ethernet->target(), 6);
  return std::memcmp(fields.mac("mac", to).bytes, to.bytes, 6) == 0 ? "" : "it goes to " + mac_text(to.bytes);
}

}  // namespace

std::string mismatch(const Packet& expected, uint32_t connection, const Link& link, const Captured& captured) {
  Fields fields(expected.fields);
  std::string difference;
  if (expected.kind == PacketKind::kTcp) {
    const auto frame = read_tcp_frame(captured.bytes.data(), static_cast<uint32_t>(captured.bytes.size()));
    if (!frame) return "it is no TCP segment";
    if (captured.connection != connection) return "it is of connection #" + std::to_string(captured.connection);
    difference = tcp_difference(expected, *frame, captured.state, fields);
  } else if (expected.kind == PacketKind::kArp) {
    difference = arp_difference(expected, link, captured.bytes, fields);
  } else {
    const auto message = icmp_message(captured.bytes);
    if (!message) return "it is no ICMP message";
    difference = icmp_difference(expected, link, *message, fields);
  }
  std::string error;
  if (difference.empty() && !fields.good(error)) return error;
  return difference;
}

std::string frame_text(const Captured& captured) {
  const auto tcp = read_tcp_frame(captured.bytes.data(), static_cast<uint32_t>(captured.bytes.size()));
  if (tcp) {
    std::string text = captured.connection > 1 ? "#" + std::to_string(captured.connection) + " " : "";
    text += to_text(*tcp, captured.state.iss, 0);
    if (tcp->options.has_timestamp)
      text += "; its timestamp is the first plus " + std::to_string(tcp->options.timestamp - captured.state.ts_base);
    return text;
  }
  if (const auto message = icmp_message(captured.bytes)) {
    return "icmp type " + std::to_string(message->at[0]) + " code " + std::to_string(message->at[1]) + " from " + to_text(message->source) +
           " to " + to_text(message->target);
  }
  std::string hex = "frame ";
  for (size_t i = 0; i < captured.bytes.size() && i < 60; ++i) {
    char byte[4];
    std::snprintf(byte, sizeof byte, "%02x", captured.bytes[i]);
    hex += byte;
  }
  return hex;
}

}  // namespace sluice::sim::script
