#include <benchmark/benchmark.h>
#include <unistd.h>

#include <ctime>

#include "bench/tcp_world.hpp"
#include "core/core.hpp"
#include "queue/ring.hpp"

// The whole data plane opening and closing connections: TCP, the HTTP upgrade, the rings, the closing handshake of WebSocket, FINs.
// Frames are memory, and the control plane gives rows back when it hears of a close. Making the peers' lists of what they say is not
// measured; writing it into packets, as a NIC would, is.

namespace {

using namespace sluice;
using bench::TcpWorld;
using Said = TcpWorld::Said;

constexpr uint32_t kPeers = 1u << 20;
constexpr uint32_t kBatch = 8192;  // connections open at once
constexpr uint32_t kRows = 2 * kBatch;

constexpr char kRequest[] =
    "GET /v1 HTTP/1.1\r\nHost: chat.example.org\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nOrigin: https://example.org\r\n"
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko)\r\nAccept-Encoding: gzip, deflate, br\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
constexpr uint16_t kRequestBytes = sizeof kRequest - 1;
// A masked close frame with code 1000 (RFC 6455 §5.5.1).
constexpr char kClose[] = {'\x88', '\x82', '\x01', '\x02', '\x03', '\x04', '\x02', '\xea'};
constexpr uint32_t kServerCloseBytes = 4;

double cpu_seconds() {
  timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

queue::RegionOptions region_options() {
  queue::RegionOptions options;
  options.name = "opening-bench-" + std::to_string(getpid());
  options.connections_per_core = kRows;
  return options;
}

class Server {
 public:
  Server() {
    const queue::RegionOptions sizes = region_options();
    std::string error;
    region_ = queue::Region::create(sizes, error);
    SLUICE_ASSERT(region_ != nullptr);
    core_ = std::make_unique<core::Core>(*region_, 0, core::CoreOptions{});
    tcp::TcpOptions options = TcpWorld::options_for(kRows);
    // All of a batch close before the first of their peers has answered.
    options.orphans_max = kBatch;
    world_ = std::make_unique<TcpWorld>(options, kPeers, core_->blocks(), *core_);
    core_->attach(world_->take_driver());
    events_ = std::make_unique<queue::RingConsumer>(header(queue::kSectionEventRing), records(queue::kSectionEventRing),
                                                    sizes.event_records);
    commands_ = std::make_unique<queue::RingProducer>(header(queue::kSectionCommandRing), records(queue::kSectionCommandRing),
                                                      sizes.command_records);
    world_->clock_us = 1'000'000'000;
  }

  TcpWorld& world() { return *world_; }
  uint64_t counter(queue::Counter which) { return core_->counters().get(which); }

  void arrive(const std::vector<Said>& said, const char* bytes) {
    world_->announce(said, bytes);
    // SYNs are answered some a turn, behind everybody else (tcp/waiting_syns.hpp).
    do {
      turn();
    } while (world_->left() != 0 || world_->driver().next_deadline_us() <= world_->clock_us);
    turn();
  }

 private:
  queue::RingHeader* header(queue::SectionKind kind) { return reinterpret_cast<queue::RingHeader*>(region_->data(kind, 0)); }
  queue::Record* records(queue::SectionKind kind) {
    return reinterpret_cast<queue::Record*>(region_->data(kind, 0) + sizeof(queue::RingHeader));
  }

  void turn() {
    core_->receive(0);
    const uint32_t count = events_->available();
    for (uint32_t i = 0; i < count; ++i) {
      const queue::Record& event = events_->peek(i);
      if (event.type == queue::kEventClose) say({queue::kCommandRelease, 0, 0, event.slot, event.generation, 0, 0, 0, 0, 0});
    }
    if (count != 0) {
      say({queue::kCommandConfirm, 0, 0, 0, 0, 0, 0, position_, count, 0});
      position_ += count;
      events_->advance(count);
      commands_->publish();
    }
    bool reader_waits = false;
    core_->transmit(reader_waits);
  }
  void say(const queue::Record& command) {
    queue::Record* const place = commands_->try_claim();
    SLUICE_ASSERT(place != nullptr);
    *place = command;
  }

  std::unique_ptr<queue::Region> region_;
  std::unique_ptr<TcpWorld> world_;
  std::unique_ptr<core::Core> core_;
  std::unique_ptr<queue::RingConsumer> events_;
  std::unique_ptr<queue::RingProducer> commands_;
  uint32_t position_ = 0;
};

uint32_t response_bytes() {
  ws::RequestHead head;
  uint32_t scanned = 0;
  const auto* const request = reinterpret_cast<const uint8_t*>(kRequest);
  const ws::HeadVerdict verdict = ws::parse_head(request, kRequestBytes, scanned, {}, head);
  SLUICE_ASSERT(verdict == ws::HeadVerdict::kUpgrade);
  uint8_t out[ws::kMaxResponse];
  return ws::write_switching_protocols(out, head);
}

void open_upgrade_and_close(benchmark::State& state) {
  Server server;
  TcpWorld& world = server.world();
  const uint32_t answered = 1 + response_bytes();
  const uint32_t closed = answered + kServerCloseBytes + 1;
  const uint32_t asked = 1 + kRequestBytes;
  uint32_t next = 0;
  std::vector<Said> said;
  for (auto _ : state) {
    const uint32_t from = next;
    next = (next + kBatch) & (kPeers - 1);
    double spent = 0;
    const auto run = [&](uint32_t seq, uint32_t ack, uint8_t flags, uint16_t payload, const char* bytes) {
      said.clear();
      for (uint32_t peer = from; peer < from + kBatch; ++peer) {
        said.push_back({peer, peer + seq, flags == wire::kSyn ? 0 : world.initial(peer) + ack, flags, payload});
      }
      const double before = cpu_seconds();
      server.arrive(said, bytes);
      spent += cpu_seconds() - before;
    };
    run(0, 0, wire::kSyn, 0, nullptr);
    run(1, 1, wire::kAck, 0, nullptr);
    run(1, 1, wire::kAck | wire::kPsh, kRequestBytes, kRequest);
    run(asked, answered, wire::kAck | wire::kPsh, sizeof kClose, kClose);
    run(asked + sizeof kClose, closed, wire::kAck | wire::kFin, 0, nullptr);
    state.SetIterationTime(spent);
    // Rows are free again when the acknowledgements that were owed for their requests would have been due.
    world.clock_us += 50'000;
  }
  const auto all = static_cast<uint64_t>(state.iterations()) * kBatch;
  SLUICE_ASSERT(world.driver().gauges().connections == 0);
  SLUICE_ASSERT(server.counter(queue::Counter::handshakes) == all);
  SLUICE_ASSERT(world.driver().tcp_counters().retransmits == 0 && world.driver().tcp_counters().resets_out == 0);
  state.SetItemsProcessed(static_cast<int64_t>(all));
}
BENCHMARK(open_upgrade_and_close)->UseManualTime()->Unit(benchmark::kMillisecond);

}  // namespace
