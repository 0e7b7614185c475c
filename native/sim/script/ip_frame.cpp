#include "sim/script/ip_frame.hpp"

#include <algorithm>

#include "base/bytes.hpp"
#include "wire/ethernet.hpp"
#include "wire/ipv4.hpp"
#include "wire/ipv6.hpp"

namespace sluice::sim::script {

namespace {

using Bytes = std::vector<uint8_t>;

struct Shape {
  uint8_t tos;
  uint8_t ttl;
  int64_t length;  // stated in the header; -1: the real one
  bool bad_checksum;
  bool dont_fragment;
};

uint8_t ecn_bits(const std::string& word) {
  if (word == "ce") return 3;
  if (word == "ect0") return 2;
  return word == "ect1" ? 1 : 0;
}

Bytes ip_header_v4(const IpFrame& packet, const Shape& shape, size_t payload, uint16_t fragment) {
  Bytes out(20);
  wire::Ipv4View::write(out.data(),
                        {.total_bytes = static_cast<uint16_t>(shape.length >= 0 ? shape.length : 20 + static_cast<int64_t>(payload)),
                         .identification = 77,
                         .tos = shape.tos,
                         .ttl = shape.ttl,
                         .protocol = packet.protocol,
                         .dont_fragment = shape.dont_fragment,
                         .source = packet.source.v4(),
                         .target = packet.target.v4()});
  store_be16(&out[6], static_cast<uint16_t>((fragment & 0x3fff) | (shape.dont_fragment ? 0x4000 : 0)));
  store_be16(&out[10], 0);
  wire::Checksum sum;
  sum.add(out.data(), 20);
  wire::store_checksum(&out[10], static_cast<uint16_t>(sum.finish() ^ (shape.bad_checksum ? 0x0101 : 0)));
  return out;
}

Bytes ip_header_v6(const IpFrame& packet, const Shape& shape, size_t payload, bool fragmented, uint16_t fragment) {
  Bytes out(fragmented ? 48 : 40);
  const size_t behind = payload + (fragmented ? 8 : 0);
  wire::Ipv6View::write(out.data(),
                        {.payload_bytes = static_cast<uint16_t>(shape.length >= 0 ? shape.length : static_cast<int64_t>(behind)),
                         .next_header = fragmented ? uint8_t{44} : packet.protocol,
                         .traffic_class = shape.tos,
                         .hop_limit = shape.ttl,
                         .source = packet.source.bytes,
                         .target = packet.target.bytes});
  if (!fragmented) return out;
  out[40] = packet.protocol;
  // RFC 8200 §4.5: the offset in the upper 13 bits, the mark for more in the lowest.
  store_be16(&out[42], static_cast<uint16_t>((fragment & 0x1fff) << 3 | (fragment >> 13 & 1)));
  store_be32(&out[44], 77);
  return out;
}

Bytes with_ethernet(const IpFrame& packet, uint16_t type, const Bytes& header, const uint8_t* payload, size_t length) {
  Bytes out(wire::EthernetView::kBytes + wire::EthernetView::kTagBytes);
  out.resize(wire::EthernetView::write(out.data(), packet.target_mac.bytes, packet.source_mac.bytes, type, packet.vlan));
  out.insert(out.end(), header.begin(), header.end());
  out.insert(out.end(), payload, payload + length);
  return out;
}

}  // namespace

std::vector<std::vector<uint8_t>> to_frames(IpFrame packet, Fields& fields) {
  Shape shape{};
  shape.ttl = static_cast<uint8_t>(fields.number("ttl", packet.ttl));
  shape.tos = static_cast<uint8_t>(fields.number("tos", 0) | ecn_bits(fields.word("ecn", "")));
  shape.length = fields.number("iplen", -1);
  shape.bad_checksum = fields.word("ipchecksum", "") == "bad";
  packet.source_mac = fields.mac("srcmac", packet.source_mac);
  packet.target_mac = fields.mac("mac", packet.target_mac);
  packet.vlan = static_cast<uint16_t>(fields.number("vlan", packet.vlan));
  const auto cut = static_cast<size_t>(fields.number("cut", 0));
  const auto pad = static_cast<size_t>(fields.number("pad", 0));
  const auto piece = static_cast<size_t>(fields.number("frag", 0)) / 8 * 8;
  const int64_t skipped = fields.number("fragskip", -1);
  shape.dont_fragment = piece == 0;

  std::vector<Bytes> out;
  const size_t total = packet.payload.size();
  int64_t number = 0;
  for (size_t at = 0; at < total || at == 0;) {
    const size_t length = piece == 0 ? total : std::min(piece, total - at);
    const bool more = at + length < total;
    const auto fragment = static_cast<uint16_t>(at / 8 | (more ? 0x2000 : 0));
    const bool v4 = packet.source.is_v4();
    const Bytes header = v4 ? ip_header_v4(packet, shape, length, fragment) : ip_header_v6(packet, shape, length, piece != 0, fragment);
    Bytes frame = with_ethernet(packet, v4 ? wire::kTypeIpv4 : wire::kTypeIpv6, header, packet.payload.data() + at, length);
    frame.resize(std::max<size_t>(frame.size() - std::min(cut, frame.size() - 1), 1) + pad, 0xaa);
    if (number++ != skipped) out.push_back(std::move(frame));
    at += std::max<size_t>(length, 1);
  }
  return out;
}

}  // namespace sluice::sim::script
