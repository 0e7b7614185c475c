// What a client's message costs sluice-wiregen: one echo is an item queued and written, a segment out, a segment in, its checks. The
// device's other end is a server without state, inside of the device: it turns each frame around in place.
#include <benchmark/benchmark.h>

#include <cstring>
#include <deque>
#include <vector>

#include "base/bytes.hpp"
#include "bench/accept_key.hpp"
#include "wire/ethernet.hpp"
#include "wire/ipv4.hpp"
#include "wire/tcp.hpp"
#include "wiregen/generator.hpp"
#include "wiregen/heap_pool.hpp"
#include "ws/mask.hpp"

using namespace sluice;

namespace {

class Mirror final : public nic::Nic {
 public:
  Mirror() {
    capabilities_.mac = {{2, 0, 0, 0, 0, 1}};
    capabilities_.rx_checksum = capabilities_.tx_ip_checksum = capabilities_.tx_l4_checksum = true;
  }
  const char* name() const noexcept override { return "mirror"; }
  const nic::NicCapabilities& capabilities() const noexcept override { return capabilities_; }
  nic::PacketPool& pool() noexcept override { return pool_; }
  uint32_t receive(nic::Packet** frames, uint32_t max) noexcept override {
    uint32_t count = 0;
    for (; count < max && first_ != last_; ++count) frames[count] = ring_[first_++ % kRing];
    return count;
  }
  uint32_t transmit(nic::Packet** frames, uint32_t count) noexcept override {
    for (uint32_t i = 0; i < count; ++i) {
      if (turn_around(frames[i]) && last_ - first_ < kRing) ring_[last_++ % kRing] = frames[i];
      else pool_.unref(frames[i]);
    }
    return count;
  }
  bool transmitting(const nic::Packet*) const noexcept override { return false; }
  bool link_up() noexcept override { return true; }
  bool arm() noexcept override { return false; }
  int wait_fd() const noexcept override { return -1; }
  const nic::NicCounters& counters() noexcept override { return counters_; }

 private:
  static constexpr uint32_t kRing = 16384;

  // False where nothing is to be answered.
  static bool turn_around(nic::Packet* packet) {
    uint8_t* const ip = packet->data + 14;
    uint8_t* const tcp = ip + 20;
    const uint32_t header = (tcp[12] >> 4) * 4u;
    uint8_t* const payload = tcp + header;
    uint32_t length = packet->length - 34 - header;
    const uint32_t seq = load_be32(tcp + 4);
    uint32_t ack = load_be32(tcp + 8);
    const bool syn = (tcp[13] & wire::kSyn) != 0;
    if (!syn && length == 0) return false;
    store_be32(tcp + 8, seq + length + (syn ? 1 : 0));
    if (syn) {
      ack = 1;
      tcp[13] = wire::kSyn | wire::kAck;
    } else {
      length = std::memcmp(payload, "GET ", 4) == 0 ? upgrade(payload) : echo(payload, length);
    }
    store_be32(tcp + 4, ack);
    for (int i = 0; i < 4; ++i) std::swap(ip[12 + i], ip[16 + i]);
    for (int i = 0; i < 2; ++i) std::swap(tcp[i], tcp[2 + i]);
    store_be16(ip + 2, static_cast<uint16_t>(20 + header + length));
    packet->length = static_cast<uint16_t>(34 + header + length);
    packet->flags = nic::kRxIpChecksumGood | nic::kRxL4ChecksumGood;
    return true;
  }
  static uint32_t upgrade(uint8_t* at) {
    const std::string_view request(reinterpret_cast<const char*>(at), 400);
    const std::string key(request.substr(request.find("Key: ") + 5, 24));
    const std::string response = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " +
                                 load::accept_key(key) + "\r\n\r\n";
    std::memcpy(at, response.data(), response.size());
    return static_cast<uint32_t>(response.size());
  }
  static uint32_t echo(uint8_t* at, uint32_t length) {
    uint32_t mask;
    const uint32_t header = (at[1] & 127) < 126 ? 2 : 4;
    std::memcpy(&mask, at + header, 4);
    ws::unmask(at + header + 4, length - header - 4, mask);
    at[1] &= 127;
    std::memmove(at + header, at + header + 4, length - header - 4);
    return length - 4;
  }

  wiregen::HeapPool pool_{32768};
  nic::NicCapabilities capabilities_;
  nic::NicCounters counters_;
  std::vector<nic::Packet*> ring_ = std::vector<nic::Packet*>(kRing);
  uint64_t first_ = 0;
  uint64_t last_ = 0;
};

uint64_t clock_ns() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000u + static_cast<uint64_t>(now.tv_nsec);
}

std::string scenario_of(int64_t clients, const std::string& phases) {
  return "server address=10.90.0.1:9000 mac=02:00:00:00:00:09\nclients network=10.128.0.0/9 hosts=20000 count=" + std::to_string(clients) +
         "\n" + phases;
}

// Echoes one at a time of each client, so that clients are touched in turn: with a million of them none is in the cache.
void echo_of_one_in_flight(benchmark::State& state) {
  Mirror mirror;
  wiregen::Scenario scenario;
  scenario.settings.seed = 1;
  const std::string lines = "open inflight=256\necho size=64 rate=50M for=60min warmup=0\n";
  if (!wiregen::read_scenario(scenario_of(state.range(0), lines), scenario).empty()) return state.SkipWithError("scenario");
  wiregen::Generator generator(mirror, scenario, clock_ns, {});
  std::string error;
  if (!generator.start(error)) return state.SkipWithError(error.c_str());
  while (generator.stage().session.ready() < static_cast<uint64_t>(state.range(0)) && generator.turn()) {
  }
  const wiregen::Stage& stage = generator.stage();
  const uint64_t before = stage.tcp.counters().segments_in;
  for (auto _ : state) {
    const uint64_t target = stage.tcp.counters().segments_in + 100'000;
    while (stage.tcp.counters().segments_in < target && generator.turn()) {
    }
  }
  if (!generator.failure().empty()) return state.SkipWithError(generator.failure().c_str());
  state.SetItemsProcessed(static_cast<int64_t>(stage.tcp.counters().segments_in - before));
}
BENCHMARK(echo_of_one_in_flight)->Arg(10'000)->Arg(1'000'000)->Unit(benchmark::kMillisecond);

// Handshake, upgrade with its key, nothing else.
void openings(benchmark::State& state) {
  for (auto _ : state) {
    Mirror mirror;
    wiregen::Scenario scenario;
    scenario.settings.seed = 1;
    if (!wiregen::read_scenario(scenario_of(200'000, "open inflight=256\n"), scenario).empty()) return state.SkipWithError("scenario");
    wiregen::Generator generator(mirror, scenario, clock_ns, {});
    std::string error;
    if (!generator.start(error)) return state.SkipWithError(error.c_str());
    while (generator.turn()) {
    }
    if (!generator.failure().empty()) return state.SkipWithError(generator.failure().c_str());
  }
  state.SetItemsProcessed(state.iterations() * 200'000);
}
BENCHMARK(openings)->Unit(benchmark::kMillisecond);

}  // namespace
