#pragma once

#include <cstdint>
#include <string>

#include "base/clock.hpp"
#include "nic/nic.hpp"
#include "nic/pcap_writer.hpp"

namespace sluice::nic {

// Told when the capture had to stop; traffic goes on.
class PcapListener {
 public:
  virtual ~PcapListener() = default;
  virtual void on_capture_stopped(const std::string& why) = 0;
};

// Writes what passes to a file. Frames that a device shall still give checksums to, or cut into segments, are written as they are handed
// to it, as other captures on a host do.
class PcapNic final : public Nic {
 public:
  // `epoch_us` is added to the clock's time: wall clock minus monotonic time, or 0 in a simulation.
  PcapNic(Nic& inner, const Clock& clock, uint64_t epoch_us, PcapListener* listener = nullptr)
      : inner_(inner), clock_(clock), epoch_us_(epoch_us), listener_(listener) {}

  bool open(const std::string& path, std::string& error) { return writer_.open(path, error); }
  const PcapWriter& writer() const noexcept { return writer_; }

  const char* name() const noexcept override { return inner_.name(); }
  const NicCapabilities& capabilities() const noexcept override { return inner_.capabilities(); }
  PacketPool& pool() noexcept override { return inner_.pool(); }
  uint32_t receive(Packet** frames, uint32_t max) noexcept override;
  uint32_t transmit(Packet** frames, uint32_t count) noexcept override;
  bool transmitting(const Packet* packet) const noexcept override { return inner_.transmitting(packet); }
  bool link_up() noexcept override { return inner_.link_up(); }
  bool arm() noexcept override { return inner_.arm(); }
  int wait_fd() const noexcept override { return inner_.wait_fd(); }
  bool worked() noexcept override { return inner_.worked(); }
  bool stalled() const noexcept override { return inner_.stalled(); }
  const NicCounters& counters() noexcept override { return inner_.counters(); }

 private:
  void record(const Packet* frame, uint64_t time_ns);
  void flush();

  Nic& inner_;
  const Clock& clock_;
  uint64_t epoch_us_;
  PcapListener* listener_;
  PcapWriter writer_;
};

}  // namespace sluice::nic
