#pragma once

#include <cstdint>
#include <deque>
#include <vector>

#include "base/clock.hpp"
#include "nic/nic.hpp"
#include "nic/sim_pool.hpp"

namespace sluice::nic {

class SimNic;

// Sees every frame as it is on the wire.
class WireObserver {
 public:
  virtual ~WireObserver() = default;
  // The device put a frame on the wire.
  virtual void on_sent(const SimNic& nic, uint64_t now_ns, const uint8_t* frame, uint32_t length) = 0;
};

struct SimNicOptions {
  NicCapabilities capabilities;
  uint32_t packets = 4096;
  uint32_t packet_bytes = 2048;  // data room of each
  uint32_t rx_ring = 1024;       // frames that wait to be received
  uint32_t tx_ring = 512;        // frames that the device holds until it has read them
  uint64_t tx_read_ns = 0;       // how long after transmit() the device reads a frame
  uint32_t rx_piece_bytes = 0;   // received frames come in pieces of at most this; 0: in one where they fit
};

// One direction of a link: a bottleneck with a queue that drops at its end, then a delay.
struct SimPathOptions {
  uint64_t bits_per_second = 0;  // 0: no bottleneck
  uint64_t delay_ns = 0;
  uint32_t queue_bytes = 1u << 20;
  uint16_t mtu = 1500;  // IP bytes; longer frames are lost
};

struct SimPathCounters {
  uint64_t frames = 0;
  uint64_t dropped_full = 0;
  uint64_t dropped_size = 0;
};

// A device on virtual time. transmit() keeps the packets until the simulated DMA has read them and asserts that nobody wrote to them.
class SimNic final : public Nic {
 public:
  SimNic(const char* name, const ManualClock& clock, const SimNicOptions& options);
  ~SimNic() override;

  // Joins two devices by a link; each direction by its own options.
  static void join(SimNic& a, SimNic& b, const SimPathOptions& a_to_b, const SimPathOptions& b_to_a);
  void observe(WireObserver* observer) noexcept { observer_ = observer; }
  void set_link(bool up) noexcept { up_ = up; }

  const char* name() const noexcept override { return name_; }
  const NicCapabilities& capabilities() const noexcept override { return options_.capabilities; }
  SimPool& pool() noexcept override { return pool_; }
  uint32_t receive(Packet** frames, uint32_t max) noexcept override;
  uint32_t transmit(Packet** frames, uint32_t count) noexcept override;
  bool transmitting(const Packet* packet) const noexcept override { return pool_.transmitting(packet); }
  bool link_up() noexcept override { return up_; }
  bool arm() noexcept override { return false; }
  int wait_fd() const noexcept override { return -1; }
  const NicCounters& counters() noexcept override { return counters_; }

  const SimPathCounters& path_counters() const noexcept { return path_counters_; }
  // Moves on what the clock's time has made due: frames that the device reads, and frames that arrive at the other end.
  void advance();
  // When advance() has something to do; UINT64_MAX: never.
  uint64_t next_event_ns() const noexcept;
  // Frames that it has not read yet.
  bool sending() const noexcept { return !sending_.empty(); }
  // A frame waits for receive().
  bool frame_waits() const noexcept { return !arrived_.empty(); }
  bool takes_frames() const noexcept { return sending_.size() < options_.tx_ring; }
  // Puts a frame on the wire as it is, as a host without this stack would.
  void inject(std::vector<uint8_t> frame);
  // Takes the next frame off the wire in the same way; empty: none came.
  std::vector<uint8_t> take();

 private:
  struct Sending {
    Packet* frame;
    uint64_t read_ns;
    uint64_t digest;
  };
  struct Flying {
    uint64_t due_ns;
    std::vector<uint8_t> bytes;
  };

  void check(const Packet& frame) const;
  void read_out(const Sending& sending);
  void launch(std::vector<uint8_t> bytes);
  void arrive(std::vector<uint8_t> bytes);
  Packet* to_packets(const std::vector<uint8_t>& bytes);

  const char* name_;
  const ManualClock& clock_;
  SimNicOptions options_;
  SimPool pool_;
  SimNic* peer_ = nullptr;
  WireObserver* observer_ = nullptr;
  SimPathOptions path_;
  SimPathCounters path_counters_;
  NicCounters counters_;
  bool up_ = true;
  uint64_t wire_free_ns_ = 0;
  std::deque<Sending> sending_;
  std::deque<Flying> flying_;
  std::deque<std::vector<uint8_t>> arrived_;
};

}  // namespace sluice::nic
