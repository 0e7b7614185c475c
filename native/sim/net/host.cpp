#include "sim/net/host.hpp"

#include <algorithm>

namespace sluice::sim {

uint32_t DeliveryTap::receive(nic::Packet** frames, uint32_t max) noexcept {
  const uint32_t count = inner_.receive(frames, max);
  if (observer_ == nullptr) return count;
  for (uint32_t i = 0; i < count; ++i) {
    bytes_.clear();
    for (const nic::Packet* piece = frames[i]; piece != nullptr; piece = piece->next) {
      bytes_.insert(bytes_.end(), piece->data, piece->data + piece->length);
    }
    observer_->on_delivered(host_, bytes_.data(), static_cast<uint32_t>(bytes_.size()));
  }
  return count;
}

Host::Host(const ManualClock& clock, const HostOptions& options)
    : clock_(clock),
      options_(options),
      block_memory_(static_cast<size_t>(options.block_bytes) * options.blocks),
      blocks_(block_memory_.data(), options.block_bytes, options.blocks),
      device_("sim", clock, options.nic),
      faults_(device_, clock, options.faults),
      tap_(faults_, options.index),
      sabotage_(tap_, options.sabotage),
      ip_(sabotage_, options.net) {}

Host::~Host() = default;

std::unique_ptr<tcp::TcpDriver> Host::make_driver(StreamSink& sink, tcp::ConnectSink* connects, BlockPool* blocks, std::string& error) {
  tcp::TcpEnvironment environment;
  environment.ip = &ip_;
  environment.reactor = this;
  environment.blocks = blocks != nullptr ? blocks : &blocks_;
  environment.sink = &sink;
  environment.connect_sink = connects;
  environment.secret = options_.secret;
  auto driver = tcp::TcpDriver::make(options_.tcp, environment, error);
  if (driver != nullptr) ip_.attach(*driver);
  return driver;
}

void Host::start() { ip_.start(clock_.now_us()); }

bool Host::ready() const {
  if (ip_.frames_waiting() != 0 && device_.takes_frames()) return true;
  return device_.frame_waits() || faults_.next_due_us() <= clock_.now_us() || ip_.next_due_us() <= clock_.now_us();
}

uint64_t Host::next_due_ns() const {
  const auto in_ns = [](uint64_t us) { return us >= UINT64_MAX / 1'000 ? UINT64_MAX : us * 1'000; };
  return std::min({device_.next_event_ns(), in_ns(faults_.next_due_us()), in_ns(ip_.next_due_us())});
}

}  // namespace sluice::sim
