#include "sim/net/tcp_frame.hpp"

#include <arpa/inet.h>

#include "wire/ethernet.hpp"
#include "wire/ipv4.hpp"
#include "wire/ipv6.hpp"

namespace sluice::sim {

namespace {

void read_segment(wire::TcpView tcp, uint8_t* segment, uint32_t bytes, TcpFrame& out) {
  out.source_port = tcp.source_port();
  out.target_port = tcp.target_port();
  out.seq = tcp.seq();
  out.ack = tcp.ack();
  out.window = tcp.window();
  out.flags = tcp.flags();
  out.options_bytes = tcp.options_bytes();
  out.options_good = wire::parse_tcp_options(tcp.options(), tcp.options_bytes(), out.options);
  out.payload = segment + tcp.header_bytes();
  out.payload_bytes = bytes - tcp.header_bytes();
}

std::string options_text(const wire::TcpOptions& options, uint32_t ack_base) {
  std::string out;
  const auto add = [&](const std::string& text) { out += (out.empty() ? "" : ",") + text; };
  if (options.mss != 0) add("mss " + std::to_string(options.mss));
  if (options.sack_permitted) add("sackOK");
  if (options.has_timestamp) add("ts " + std::to_string(options.timestamp) + "/" + std::to_string(options.timestamp_echo));
  if (options.has_window_shift) add("wscale " + std::to_string(options.window_shift));
  std::string blocks;
  for (uint32_t i = 0; i < options.sack_count; ++i) {
    blocks += " " + std::to_string(options.sacks[i].begin - ack_base) + ":" + std::to_string(options.sacks[i].end - ack_base);
  }
  if (!blocks.empty()) add("sack" + blocks);
  return " <" + out + ">";
}

}  // namespace

std::optional<TcpFrame> read_tcp_frame(const uint8_t* frame, uint32_t length) {
  // Views are of bytes that may be written to; nothing here does.
  auto* const bytes = const_cast<uint8_t*>(frame);
  const auto ethernet = wire::EthernetView::parse(bytes, length);
  if (!ethernet) return std::nullopt;
  uint8_t* const at = bytes + ethernet->header_bytes();
  const uint32_t left = length - ethernet->header_bytes();
  TcpFrame out;
  wire::Checksum sum;
  if (ethernet->type() == wire::kTypeIpv4) {
    const auto ip = wire::Ipv4View::parse(at, left);
    if (!ip || ip->protocol() != wire::kProtocolTcp || ip->is_fragment()) return std::nullopt;
    const auto tcp = wire::TcpView::parse(ip->payload(), ip->payload_bytes());
    if (!tcp) return std::nullopt;
    out.source = net::IpAddress::from_v4(ip->source());
    out.target = net::IpAddress::from_v4(ip->target());
    out.ecn = ip->ecn();
    out.dont_fragment = ip->dont_fragment();
    wire::add_pseudo_header_v4(sum, ip->source(), ip->target(), wire::kProtocolTcp, static_cast<uint16_t>(ip->payload_bytes()));
    sum.add(ip->payload(), ip->payload_bytes());
    out.checksums_good = ip->checksum_good() && sum.good();
    read_segment(*tcp, ip->payload(), ip->payload_bytes(), out);
    return out;
  }
  if (ethernet->type() != wire::kTypeIpv6) return std::nullopt;
  const auto ip = wire::Ipv6View::parse(at, left);
  if (!ip || ip->next_header() != wire::kProtocolTcp) return std::nullopt;
  const auto tcp = wire::TcpView::parse(ip->payload(), ip->payload_bytes());
  if (!tcp) return std::nullopt;
  std::memcpy(out.source.bytes, ip->source(), 16);
  std::memcpy(out.target.bytes, ip->target(), 16);
  out.v6 = out.dont_fragment = true;
  out.ecn = ip->ecn();
  wire::add_pseudo_header_v6(sum, ip->source(), ip->target(), wire::kProtocolTcp, ip->payload_bytes());
  sum.add(ip->payload(), ip->payload_bytes());
  out.checksums_good = sum.good();
  read_segment(*tcp, ip->payload(), ip->payload_bytes(), out);
  return out;
}

std::string to_text(const TcpFrame& frame, uint32_t seq_base, uint32_t ack_base) {
  static constexpr struct {
    uint8_t flag;
    char letter;
  } kLetters[] = {{wire::kFin, 'F'}, {wire::kSyn, 'S'}, {wire::kRst, 'R'}, {wire::kPsh, 'P'},
                  {wire::kUrg, 'U'}, {wire::kEce, 'E'}, {wire::kCwr, 'W'}, {wire::kAck, '.'}};
  std::string out;
  for (const auto& each : kLetters) {
    if (frame.has(each.flag)) out += each.letter;
  }
  if (out.empty()) out = "-";
  const uint32_t begin = frame.seq - seq_base;
  out += " " + std::to_string(begin) + ":" + std::to_string(begin + frame.payload_bytes) + "(" + std::to_string(frame.payload_bytes) + ")";
  if (frame.has(wire::kAck)) out += " ack " + std::to_string(frame.ack - ack_base);
  out += " win " + std::to_string(frame.window);
  out += options_text(frame.options, ack_base);
  if (frame.ecn != 0) out += frame.ecn == 3 ? " ecn=ce" : frame.ecn == 2 ? " ecn=ect0" : " ecn=ect1";
  return out;
}

std::string to_text(const net::IpAddress& address) {
  char text[INET6_ADDRSTRLEN];
  if (address.is_v4()) return inet_ntop(AF_INET, address.v4(), text, sizeof text);
  return inet_ntop(AF_INET6, address.bytes, text, sizeof text);
}

}  // namespace sluice::sim
