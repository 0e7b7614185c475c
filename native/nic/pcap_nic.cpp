#include "nic/pcap_nic.hpp"

namespace sluice::nic {

void PcapNic::record(const Packet* frame, uint64_t time_ns) {
  uint32_t length = 0;
  for (const Packet* piece = frame; piece != nullptr; piece = piece->next) length += piece->length;
  writer_.begin(time_ns, length);
  for (; frame != nullptr; frame = frame->next) writer_.add(frame->data, frame->length);
}

// Once a burst: the kernel keeps what it was given when the process is killed.
void PcapNic::flush() {
  if (!writer_.flush() && listener_ != nullptr) listener_->on_capture_stopped(writer_.error());
}

uint32_t PcapNic::receive(Packet** frames, uint32_t max) noexcept {
  const uint32_t count = inner_.receive(frames, max);
  if (count == 0 || !writer_.writing()) return count;
  const uint64_t time_ns = (clock_.now_us() + epoch_us_) * 1'000;
  for (uint32_t i = 0; i < count; ++i) record(frames[i], time_ns);
  flush();
  return count;
}

uint32_t PcapNic::transmit(Packet** frames, uint32_t count) noexcept {
  if (count == 0 || !writer_.writing()) return inner_.transmit(frames, count);
  // Before the device takes them, because then they are no longer ours to read; the file may so name a frame twice that the device
  // did not take at first.
  const uint64_t time_ns = (clock_.now_us() + epoch_us_) * 1'000;
  for (uint32_t i = 0; i < count; ++i) record(frames[i], time_ns);
  const uint32_t taken = inner_.transmit(frames, count);
  flush();
  return taken;
}

}  // namespace sluice::nic
