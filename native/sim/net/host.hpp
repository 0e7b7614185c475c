#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/block_pool.hpp"
#include "base/clock.hpp"
#include "net/interface.hpp"
#include "nic/fault_nic.hpp"
#include "nic/sim_nic.hpp"
#include "sim/net/sabotage.hpp"
#include "tcp/tcp_driver.hpp"

namespace sluice::sim {

// Sees the frames that a host's stack is given, behind whatever happened to them on the way.
class DeliveryObserver {
 public:
  virtual ~DeliveryObserver() = default;
  virtual void on_delivered(uint32_t host, const uint8_t* frame, uint32_t length) = 0;
};

// On top of a host's devices: shows what comes up.
class DeliveryTap final : public nic::Nic {
 public:
  DeliveryTap(nic::Nic& inner, uint32_t host) : inner_(inner), host_(host) {}
  void observe(DeliveryObserver* observer) noexcept { observer_ = observer; }

  const char* name() const noexcept override { return inner_.name(); }
  const nic::NicCapabilities& capabilities() const noexcept override { return inner_.capabilities(); }
  nic::PacketPool& pool() noexcept override { return inner_.pool(); }
  uint32_t receive(nic::Packet** frames, uint32_t max) noexcept override;
  uint32_t transmit(nic::Packet** frames, uint32_t count) noexcept override { return inner_.transmit(frames, count); }
  bool transmitting(const nic::Packet* packet) const noexcept override { return inner_.transmitting(packet); }
  bool link_up() noexcept override { return inner_.link_up(); }
  bool arm() noexcept override { return inner_.arm(); }
  int wait_fd() const noexcept override { return inner_.wait_fd(); }
  const nic::NicCounters& counters() noexcept override { return inner_.counters(); }

 private:
  nic::Nic& inner_;
  uint32_t host_;
  DeliveryObserver* observer_ = nullptr;
  std::vector<uint8_t> bytes_;
};

struct HostOptions {
  uint32_t index = 0;
  nic::SimNicOptions nic;
  net::InterfaceOptions net;
  tcp::TcpOptions tcp;
  nic::FaultOptions faults;  // of what this host receives
  uint32_t block_bytes = 16'384;
  uint32_t blocks = 256;
  SipKey secret;
  Sabotage sabotage = Sabotage::kNone;
};

// A machine on virtual time: simulated device, faults, the real IP layer and the real TCP.
class Host final : public tcp::Reactor {
 public:
  // With receive blocks of its own.
  Host(const ManualClock& clock, const HostOptions& options);
  ~Host() override;

  // Makes the driver; `blocks` null: the host's own. It is the caller's, who destroys it before the host. Null with the reason.
  std::unique_ptr<tcp::TcpDriver> make_driver(StreamSink& sink, tcp::ConnectSink* connects, BlockPool* blocks, std::string& error);
  // The IP layer announces itself.
  void start();

  nic::SimNic& device() noexcept { return device_; }
  nic::FaultNic& faults() noexcept { return faults_; }
  DeliveryTap& tap() noexcept { return tap_; }
  net::Interface& ip() noexcept { return ip_; }
  BlockPool& blocks() noexcept { return blocks_; }
  nic::SimPool& pool() noexcept { return device_.pool(); }
  const ManualClock& clock() const noexcept { return clock_; }

  // Frames wait, or the devices or the IP layer have something due: the driver is to be polled.
  bool ready() const;
  // Frames of the stack are on their way to the wire yet.
  bool sending() const { return ip_.frames_waiting() != 0 || device_.sending(); }
  // When that is so at the latest without anything else happening, not counting the driver's own deadline.
  uint64_t next_due_ns() const;

  // Reactor
  uint64_t now_us() noexcept override { return clock_.now_us(); }
  uint32_t receive(uint32_t budget) override { return ip_.receive(clock_.now_us(), budget); }
  void wait(int64_t) override {}
  int wait_fd() const noexcept override { return -1; }
  void watch_doorbell(int) override {}
  bool reaches_us(const net::Flow&) const noexcept override { return true; }

 private:
  const ManualClock& clock_;
  HostOptions options_;
  std::vector<uint8_t> block_memory_;
  BlockPool blocks_;
  nic::SimNic device_;
  nic::FaultNic faults_;
  DeliveryTap tap_;
  SabotageNic sabotage_;
  net::Interface ip_;
};

}  // namespace sluice::sim
