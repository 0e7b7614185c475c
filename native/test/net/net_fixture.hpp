#pragma once

#include <cstring>
#include <vector>

#include "net/interface.hpp"
#include "net/special_addresses.hpp"
#include "test/support/fake_nic.hpp"
#include "wire/arp.hpp"
#include "wire/ethernet.hpp"
#include "wire/icmp.hpp"
#include "wire/icmpv6.hpp"
#include "wire/ipv4.hpp"
#include "wire/ipv6.hpp"
#include "wire/tcp.hpp"

namespace sluice::test {

using Bytes = std::vector<uint8_t>;

inline net::IpAddress v4(uint8_t a, uint8_t b, uint8_t c, uint8_t d) {
  const uint8_t four[4] = {a, b, c, d};
  return net::IpAddress::from_v4(four);
}
inline net::IpAddress v6(uint8_t last) { return {{0xfd, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last}}; }

inline const uint8_t kPeerMac[6] = {0x02, 0, 0, 0, 0, 0x02};
inline const uint8_t kOwnMac[6] = {0x02, 0, 0, 0, 0, 0x01};

// TCP that keeps what it was given.
class Recorder final : public net::SegmentHandler {
 public:
  explicit Recorder(nic::PacketPool& pool) : pool_(pool) {}
  struct Seen {
    net::Flow flow;
    Bytes bytes;
    uint16_t header_bytes;
    uint32_t payload_bytes;
    net::Ecn ecn;
    bool strayed;
  };
  std::vector<Seen> segments;
  std::vector<net::IcmpError> errors;
  std::vector<net::Flow> error_flows;
  uint32_t bursts = 0;

  void on_segments(const net::Segment* list, uint32_t count) override {
    ++bursts;
    for (uint32_t i = 0; i < count; ++i) {
      Seen seen{*list[i].flow, {}, list[i].header_bytes, list[i].payload_bytes, list[i].ecn,
                list[i].strayed};
      for (const nic::Packet* piece = list[i].packet; piece != nullptr; piece = piece->next) {
        seen.bytes.insert(seen.bytes.end(), piece->data, piece->data + piece->length);
      }
      segments.push_back(seen);
      pool_.unref_frame(list[i].packet);
    }
  }
  void on_icmp_error(const net::IcmpError& error) override {
    errors.push_back(error);
    error_flows.push_back(*error.flow);
  }

 private:
  nic::PacketPool& pool_;
};

inline Bytes ethernet(const uint8_t* target, uint16_t type, const Bytes& body, uint16_t vlan = 0) {
  Bytes frame(vlan == 0 ? 14 : 18);
  wire::EthernetView::write(frame.data(), target, kPeerMac, type, vlan);
  frame.insert(frame.end(), body.begin(), body.end());
  return frame;
}

inline Bytes ipv4(const net::IpAddress& from, const net::IpAddress& to, uint8_t protocol, const Bytes& body) {
  Bytes packet(20);
  wire::Ipv4View::write(packet.data(), {.total_bytes = static_cast<uint16_t>(20 + body.size()), .protocol = protocol,
                                        .source = from.v4(), .target = to.v4()});
  packet.insert(packet.end(), body.begin(), body.end());
  return packet;
}

inline Bytes ipv6(const net::IpAddress& from, const net::IpAddress& to, uint8_t next, const Bytes& body, uint8_t hops = 64) {
  Bytes packet(40);
  wire::Ipv6View::Fields fields{.payload_bytes = static_cast<uint16_t>(body.size()), .next_header = next, .source = from.bytes,
                                .target = to.bytes};
  fields.hop_limit = hops;
  wire::Ipv6View::write(packet.data(), fields);
  packet.insert(packet.end(), body.begin(), body.end());
  return packet;
}

inline Bytes tcp_segment(const net::IpAddress& from, const net::IpAddress& to, const Bytes& payload, uint32_t seq = 1) {
  Bytes segment(20);
  wire::TcpView::write(segment.data(), {40'000, 9000, seq, 2, 1024, 20, wire::kAck});
  segment.insert(segment.end(), payload.begin(), payload.end());
  wire::Checksum sum;
  const auto length = static_cast<uint16_t>(segment.size());
  if (from.is_v4()) {
    wire::add_pseudo_header_v4(sum, from.v4(), to.v4(), wire::kProtocolTcp, length);
  } else {
    wire::add_pseudo_header_v6(sum, from.bytes, to.bytes, wire::kProtocolTcp, length);
  }
  sum.add(segment.data(), length);
  wire::store_checksum(segment.data() + 16, sum.finish());
  return segment;
}

// An interface with 10.9.0.1/24 and fd00:0:0:9::1/64 (and a gateway of each family) whose other end is the test.
struct NetFixture {
  explicit NetFixture(net::InterfaceOptions options = defaults()) : interface(nic, options), tcp(nic.heap()) {
    interface.attach(tcp);
    interface.start(now);
    nic.sent.clear();
  }

  static net::InterfaceOptions defaults() {
    net::InterfaceOptions options;
    options.addresses = {{v4(10, 9, 0, 1), 24}, {v6(1), 64}};
    options.gateways = {v4(10, 9, 0, 254), v6(0xfe)};
    return options;
  }

  void receive(const Bytes& frame, uint8_t flags = 0) {
    nic.put(frame, flags);
    run();
  }
  void run(uint64_t after_us = 0) {
    now += after_us;
    interface.receive(now, 64);
    interface.flush();
  }
  Bytes arp(uint16_t operation, const net::IpAddress& sender, const net::IpAddress& target, const uint8_t* mac = kPeerMac,
            const uint8_t* to = kOwnMac) const {
    Bytes body(28);
    wire::ArpView::write(body.data(), operation, mac, sender.v4(), kOwnMac, target.v4());
    return ethernet(to, wire::kTypeArp, body);
  }
  void learn(const net::IpAddress& address, const uint8_t* mac = kPeerMac) {
    receive(arp(wire::ArpView::kRequest, address, v4(10, 9, 0, 1), mac));
    nic.sent.clear();
  }
  bool send(const net::IpAddress& remote, const Bytes& payload = {1, 2, 3}) {
    nic::Packet* const packet = nic.pool().allocate(static_cast<uint32_t>(20 + payload.size()));
    wire::TcpView::write(packet->data, {9000, 40'000, 7, 8, 512, 20, wire::kAck});
    std::memcpy(packet->data + 20, payload.data(), payload.size());
    packet->length = static_cast<uint16_t>(20 + payload.size());
    const net::Flow flow{remote.is_v4() ? v4(10, 9, 0, 1) : v6(1), remote, 9000, 40'000};
    const bool sent = interface.send(flow, packet, 20, net::Ecn::kNotCapable);
    interface.flush();
    return sent;
  }
  bool all_returned() { return nic.heap().free_count() == nic.heap().total_count(); }

  FakeNic nic;
  uint64_t now = 1'000'000;
  net::Interface interface;
  Recorder tcp;
};

}  // namespace sluice::test
