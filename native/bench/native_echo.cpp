// sluice-native-echo: the data plane alone, as the addon hosts it, with an echo written in C++ where the control plane would be: what
// our own stack, WebSocket and the rings cost without JavaScript. One core on a DPDK port, polling. At its end it says how long it
// worked: the CPU time of turns in which something came or was done, without those that only looked, and without the pauses between them.
//   sluice-native-echo "EAL ARGUMENTS" ADDRESS/PREFIX PORT [GATEWAY]

#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <string>

#include "core/engine.hpp"
#include "queue/ring.hpp"

using namespace sluice;

namespace {

volatile std::sig_atomic_t stop = 0;

// Until it is stopped a core that is polled does not sleep.
constexpr uint32_t kSpinUs = 1'000'000'000;
constexpr uint32_t kConnections = 20'000;

queue::RingHeader* ring_of(queue::Region& region, queue::SectionKind kind) {
  return reinterpret_cast<queue::RingHeader*>(region.data(kind, 0));
}

queue::Record* records_of(queue::Region& region, queue::SectionKind kind) {
  return reinterpret_cast<queue::Record*>(region.data(kind, 0) + sizeof(queue::RingHeader));
}

core::EngineOptions options_of(int argc, char** argv) {
  core::EngineOptions options;
  options.region.name = "native-echo-" + std::to_string(getpid());
  options.region.connections_per_core = kConnections;
  options.core.heartbeat_ms = 0;
  options.core.hello_timeout_ms = 0;
  options.core.pacing_us = 0;
  options.core.upgrade.max_head_bytes = 8192;
  core::NetworkOptions network;
  network.eal = argv[1];
  network.ips = {argv[2]};
  if (argc > 4) network.gateways = {argv[4]};
  network.spin_us = kSpinUs;
  options.network = network;
  options.listen.address = "0.0.0.0";
  options.listen.port = static_cast<uint16_t>(std::atoi(argv[3]));
  return options;
}

// The control plane of an echo: every message goes back, a closed connection's row is released.
class Echo {
 public:
  Echo(core::Core& core, queue::Region& region, const queue::RegionOptions& sizes)
      : core_(core),
        events_(ring_of(region, queue::kSectionEventRing), records_of(region, queue::kSectionEventRing), sizes.event_records),
        commands_(ring_of(region, queue::kSectionCommandRing), records_of(region, queue::kSectionCommandRing), sizes.command_records) {}

  // False where there was nothing to do.
  bool turn() {
    core_.receive(0);
    const uint32_t count = events_.available();
    uint32_t done = 0;
    // The last room is for the confirmation.
    while (done < count && commands_.free(2) >= 2 && answer(events_.peek(done))) ++done;
    if (done != 0) confirm(done);
    bool reader_waits = false;
    const uint32_t commands = core_.transmit(reader_waits);
    return core_.handled() != 0 || count != 0 || commands != 0;
  }
  uint64_t messages() const noexcept { return messages_; }

 private:
  // False where the commands have no room: what is left is taken up with the next turn.
  bool answer(const queue::Record& event) {
    if (event.type != queue::kEventMessage && event.type != queue::kEventClose) return true;
    queue::Record* const command = commands_.try_claim();
    if (command == nullptr) return false;
    if (event.type == queue::kEventMessage) {
      *command = queue::Record{queue::kCommandSend, event.flags, 0, event.slot, event.generation, event.address, event.length, 0, 0, 0};
      ++messages_;
    } else {
      *command = queue::Record{queue::kCommandRelease, 0, 0, event.slot, event.generation, 0, 0, 0, 0, 0};
    }
    return true;
  }

  // Events are done with when the core is told so, behind what was done about them.
  void confirm(uint32_t count) {
    queue::Record* const command = commands_.try_claim();
    SLUICE_ASSERT(command != nullptr);
    *command = queue::Record{queue::kCommandConfirm, 0, 0, 0, 0, 0, 0, position_, count, 0};
    position_ += count;
    events_.advance(count);
    commands_.publish();
  }

  core::Core& core_;
  queue::RingConsumer events_;
  queue::RingProducer commands_;
  uint32_t position_ = 0;  // of the next event
  uint64_t messages_ = 0;
};

// Between turns nothing is looked at for so long, as the core paces itself under load. A client on one CPU is slower than this core, which
// would find a frame or two a turn and be busy with turns; one that is at its limit finds all that has come meanwhile.
constexpr std::chrono::microseconds kPause{50};

struct Work {
  double seconds = 0;
  uint64_t turns = 0;
};

// This thread's: what others do with its CPU meanwhile is not its work.
double cpu_seconds() {
  timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

// Runs until it is stopped.
Work run(Echo& echo) {
  using Clock = std::chrono::steady_clock;
  Work work;
  while (stop == 0) {
    const double begin = cpu_seconds();
    const bool worked = echo.turn();
    const double end = cpu_seconds();
    if (!worked) continue;
    work.seconds += end - begin;
    ++work.turns;
    for (const Clock::time_point over = Clock::now() + kPause; Clock::now() < over;) continue;
  }
  return work;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4 && argc != 5) {
    std::fprintf(stderr, "sluice-native-echo \"EAL ARGUMENTS\" ADDRESS/PREFIX PORT [GATEWAY]\n");
    return 2;
  }
  for (const int signal : {SIGINT, SIGTERM}) std::signal(signal, [](int) { stop = 1; });
  const core::EngineOptions options = options_of(argc, argv);
  std::string error;
  const std::unique_ptr<core::Engine> engine = core::Engine::create(options, error);
  if (engine == nullptr) {
    std::fprintf(stderr, "sluice-native-echo: %s\n", error.c_str());
    return 1;
  }
  Echo echo(engine->core(0), engine->region(), options.region);
  const std::string address(argv[2]);
  std::printf("ready ws://%s:%s/ pid %d\n", address.substr(0, address.find('/')).c_str(), argv[3], getpid());
  std::fflush(stdout);
  const Work work = run(echo);
  std::printf("%llu messages in %.6f s of work in %llu turns\n", static_cast<unsigned long long>(echo.messages()), work.seconds,
              static_cast<unsigned long long>(work.turns));
  return 0;
}
