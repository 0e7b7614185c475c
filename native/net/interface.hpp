#pragma once

#include <cstdint>

#include "net/arp.hpp"
#include "net/context.hpp"
#include "net/discovery.hpp"
#include "net/exceptions.hpp"
#include "net/fragments.hpp"
#include "net/icmp.hpp"
#include "net/icmp_refusal.hpp"
#include "net/input.hpp"
#include "net/ip_layer.hpp"
#include "net/ip_output.hpp"

namespace sluice::net {

// IPv4 and IPv6 on one queue of an Ethernet device: the IpLayer that TCP stands on. Pure: it is handed the time.
class Interface final : public IpLayer, private IpOutput::Requests {
 public:
  // `nic` outlives it.
  Interface(nic::Nic& nic, const InterfaceOptions& options);
  ~Interface() override;

  void attach(SegmentHandler& tcp) noexcept;
  // Announces the addresses; again whenever the link comes back.
  void start(uint64_t now_us);
  // Takes in what the device has, at most about `budget` frames, and does what is due. Returns how many frames there were.
  uint32_t receive(uint64_t now_us, uint32_t budget);
  // Until then nothing is due.
  uint64_t next_due_us() const noexcept;

  const NetCounters& counters() const noexcept { return context_.counters; }
  nic::Nic& device() noexcept { return context_.nic; }
  uint32_t neighbors() const noexcept { return context_.neighbors.size(); }
  uint64_t memory() const noexcept { return sizeof *this + context_.neighbors.memory(); }

  // IpLayer
  nic::PacketPool& pool() noexcept override { return context_.nic.pool(); }
  bool takes_pieces() const noexcept override { return context_.nic.capabilities().max_pieces >= 2; }
  bool transmitting(const nic::Packet* packet) const noexcept override {
    return packet->waiting != 0 || context_.nic.transmitting(packet);
  }
  uint16_t mtu(const IpAddress& remote) const noexcept override;
  bool is_local(const IpAddress& address) const noexcept override { return context_.routes.is_local(address); }
  bool send(const Flow& flow, nic::Packet* packet, uint16_t header_bytes, Ecn ecn) override;
  bool divert(const Segment& segment) override;
  void doubt(const IpAddress& remote) override;
  void flush() override { context_.transmitter.flush(); }
  uint32_t frames_waiting() const noexcept override { return context_.transmitter.waiting(); }
  bool device_full() const noexcept override { return context_.transmitter.full(); }

 private:
  static constexpr uint32_t kSummedBelow = 256;
  static constexpr uint64_t kLinkEveryUs = 1'000'000;
  // RFC 5227 §1.1: two announcements two seconds apart. RFC 4862 §5.1: an address is asked about for one second.
  static constexpr uint32_t kAnnouncements = 2;
  static constexpr uint64_t kAnnounceEveryUs = 2'000'000;
  static constexpr uint64_t kProbeUs = 1'000'000;

  void request(const IpAddress& target, const nic::MacAddress* known) override;
  void advance();
  void announce();
  void look_at_link();
  bool send_any(const Flow& flow, nic::Packet* packet, uint16_t header_bytes, Ecn ecn);
  bool send_summed_v4(const Flow& flow, nic::Packet* packet, uint16_t header_bytes, Ecn ecn, const nic::MacAddress& mac);
  nic::Packet* in_fewer_pieces(nic::Packet* packet, uint32_t bytes);
  void prepare_checksum(const Flow& flow, nic::Packet* packet, uint32_t bytes) const noexcept;

  IpOutput output_;
  Context context_;
  Arp arp_;
  Discovery discovery_;
  Listeners listeners_;
  Icmp icmp_;
  IcmpRefusal refusal_;
  Exceptions exceptions_;
  Fragments fragments_;
  Input input_;
  uint64_t link_due_us_ = 0;
  uint64_t announce_due_us_ = UINT64_MAX;
  uint32_t announcements_left_ = 0;
  bool link_up_ = false;
};

}  // namespace sluice::net
