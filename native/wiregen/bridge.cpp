#include "wiregen/bridge.hpp"

#include <algorithm>
#include <cstring>

#include "bench/json.hpp"

namespace sluice::wiregen {

void Bottleneck::offer(const nic::Packet* frame) {
  uint64_t bytes = 0;
  for (const nic::Packet* piece = frame; piece != nullptr; piece = piece->next) bytes += piece->length;
  if (bytes_ + bytes > most_bytes_) {
    ++counters_.lost;
    return;
  }
  // In memory of its own: the other device's packets are of another pool.
  std::vector<uint8_t> copy;
  copy.reserve(bytes);
  for (; frame != nullptr; frame = frame->next) copy.insert(copy.end(), frame->data, frame->data + frame->length);
  bytes_ += bytes;
  waiting_.push_back(std::move(copy));
}

void Bottleneck::serve(nic::Nic& to, uint64_t now_ns) {
  while (!waiting_.empty() && free_ns_ <= now_ns) {
    const std::vector<uint8_t>& frame = waiting_.front();
    // A process wakes late: a link that has been late catches up within a millisecond, so that its rate is what was asked for.
    constexpr uint64_t kCatchUpNs = 1'000'000;
    const uint64_t begin = std::max(free_ns_, now_ns > kCatchUpNs ? now_ns - kCatchUpNs : 0);
    free_ns_ = rate_ == 0 ? 0 : begin + frame.size() * 8 * 1'000'000'000 / rate_;
    send(to, frame);
    bytes_ -= frame.size();
    waiting_.pop_front();
  }
}

void Bottleneck::send(nic::Nic& to, const std::vector<uint8_t>& bytes) {
  nic::Packet* packet = to.pool().allocate(static_cast<uint32_t>(bytes.size()));
  if (packet != nullptr) {
    std::memcpy(packet->data, bytes.data(), bytes.size());
    packet->length = static_cast<uint16_t>(bytes.size());
    if (to.transmit(&packet, 1) == 1) {
      ++counters_.frames;
      counters_.bytes += bytes.size();
      return;
    }
    to.pool().unref_frame(packet);
  }
  ++counters_.lost;
}

Bridge::Bridge(nic::Nic& a, nic::Nic& b, const Clock& clock, const BridgeOptions& options)
    : a_(a, clock, options.faults), b_(b), to_a_(options), to_b_(options) {}

uint32_t Bridge::take(nic::Nic& from, Bottleneck& into) {
  nic::Packet* frames[kBurst];
  const uint32_t count = from.receive(frames, kBurst);
  for (uint32_t i = 0; i < count; ++i) {
    into.offer(frames[i]);
    from.pool().unref_frame(frames[i]);
  }
  return count;
}

uint32_t Bridge::turn(uint64_t now_ns) {
  const uint32_t count = take(a_, to_b_) + take(b_, to_a_);
  to_b_.serve(b_, now_ns);
  to_a_.serve(a_, now_ns);
  return count;
}

uint64_t Bridge::due_ns() const {
  const uint64_t held_us = a_.next_due_us();
  return std::min({to_a_.due_ns(), to_b_.due_ns(), held_us == UINT64_MAX ? UINT64_MAX : held_us * 1'000});
}

std::string Bridge::report() {
  load::JsonObject out;
  const auto add = [&out](const char* prefix, const Bottleneck::Counters& link, const nic::FaultCounters& faults) {
    const std::string name(prefix);
    out.number((name + "_frames").c_str(), link.frames);
    out.number((name + "_bytes").c_str(), link.bytes);
    out.number((name + "_full").c_str(), link.lost);
    out.number((name + "_lost").c_str(), faults.lost);
    out.number((name + "_reordered").c_str(), faults.reordered);
  };
  add("forth", to_b_.counters(), a_.rx_faults());
  add("back", to_a_.counters(), a_.tx_faults());
  return out.text();
}

}  // namespace sluice::wiregen
