// sluice-wiregen: plays clients on a wire. `usage()` says how.

#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fstream>
#include <iostream>
#include <sstream>

#include "nic/dpdk_library.hpp"
#include "wiregen/generator.hpp"
#include "wiregen/options.hpp"
#include "wiregen/tap_nic.hpp"

using namespace sluice;
using namespace sluice::wiregen;

namespace {

volatile std::sig_atomic_t interrupted = 0;

uint64_t clock_ns() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000u + static_cast<uint64_t>(now.tv_nsec);
}

bool read_text(const std::string& path, std::string& out) {
  std::ostringstream text;
  if (path == "-") {
    text << std::cin.rdbuf();
  } else {
    std::ifstream file(path);
    if (!file) return false;
    text << file.rdbuf();
  }
  out = text.str();
  return true;
}

void pin_to(int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  if (sched_setaffinity(0, sizeof set, &set) != 0) std::fprintf(stderr, "sluice-wiregen: cannot run on CPU %d, runs anywhere\n", cpu);
}

// The results of phases that ended, and once a second how the present one goes.
class Reporter {
 public:
  Reporter(Generator& generator, const Options& options) : generator_(generator), options_(options) {}

  void look(uint64_t now_ns) {
    for (const std::string& result : generator_.conductor().take_results()) {
      results_ += results_.empty() ? result : "," + result;
      if (options_.json) std::printf("{\"event\":\"phase\",\"result\":%s}\n", result.c_str());
      std::fflush(stdout);
    }
    if (now_ns < next_ns_) return;
    if (next_ns_ != 0) progress(now_ns);
    last_ns_ = now_ns;
    next_ns_ = now_ns + 1'000'000'000;
  }
  const std::string& results() const noexcept { return results_; }

 private:
  void progress(uint64_t now_ns) {
    const std::string& phase = generator_.conductor().phase_name();
    const std::string line = generator_.conductor().progress(static_cast<double>(now_ns - last_ns_) / 1e9);
    if (!options_.quiet) std::fprintf(stderr, "%s: %s\n", phase.c_str(), line.c_str());
    if (!options_.json) return;
    const auto ready = static_cast<unsigned long long>(generator_.stage().session.ready());
    std::printf("{\"event\":\"progress\",\"phase\":\"%s\",\"ready\":%llu}\n", phase.c_str(), ready);
    std::fflush(stdout);
  }

  Generator& generator_;
  const Options& options_;
  std::string results_;
  uint64_t last_ns_ = 0;
  uint64_t next_ns_ = 0;
};

// Only the kernel's device is waited for. A DPDK port is polled without a sleep: who sleeps wakes late, and that would be counted as
// the server's latency, and a ring of a thousand frames is full within the time.
void wait_for_frames(nic::Nic& nic, bool busy) {
  const int fd = nic.wait_fd();
  if (busy || fd < 0 || !nic.arm()) return;
  pollfd entry{fd, POLLIN, 0};
  const timespec most{0, 200'000};
  ppoll(&entry, 1, &most, nullptr);
}

// The kernel's work for this CPU, such as the end of a disk's write that the server waits for, is a thread's (ksoftirqd) once there was
// too much of it at a time, and that has its turn at the next tick, 4 ms later, unless this one gives way. It does where it has nothing
// else to do.
class GivingWay {
 public:
  void look(uint64_t now_ns, bool busy) noexcept {
    if (busy || now_ns - last_ns_ < kEveryNs) return;
    last_ns_ = now_ns;
    sched_yield();
  }

 private:
  static constexpr uint64_t kEveryNs = 20'000;
  uint64_t last_ns_ = 0;
};

int play(nic::Nic& nic, Scenario& scenario, const Options& options) {
  Generator generator(nic, scenario, clock_ns, options.server_pids);
  std::string error;
  if (!generator.start(error)) {
    std::fprintf(stderr, "sluice-wiregen: %s\n", error.c_str());
    return 1;
  }
  Reporter reporter(generator, options);
  const uint64_t deadline_ns = options.deadline_s > 0 ? clock_ns() + static_cast<uint64_t>(options.deadline_s * 1e9) : UINT64_MAX;
  std::string failure;
  GivingWay giving_way;
  while (generator.turn()) {
    const uint64_t now_ns = clock_ns();
    if (generator.playing()) reporter.look(now_ns);
    if (interrupted != 0) failure = "interrupted";
    if (now_ns > deadline_ns) failure = "not done by --deadline";
    if (!failure.empty()) break;
    if (!options.tap.empty()) wait_for_frames(nic, generator.busy());
    giving_way.look(now_ns, generator.busy());
  }
  reporter.look(0);
  if (failure.empty()) failure = generator.failure();
  load::JsonObject out;
  out.string("event", "result");
  out.boolean("ok", failure.empty());
  if (!failure.empty()) out.string("failure", failure);
  out.string("device", nic.name());
  out.number("clients", uint64_t{scenario.settings.clients});
  out.number("lost", generator.conductor().lost());
  generator.report(out);
  out.raw("phases", "[" + reporter.results() + "]");
  std::printf("%s\n", out.text().c_str());
  if (!failure.empty()) std::fprintf(stderr, "sluice-wiregen: %s\n", failure.c_str());
  return failure.empty() ? 0 : 1;
}

// Joins two TAP devices until it is interrupted.
int bridge(const Options& options) {
  std::string error;
  const std::unique_ptr<TapNic> a = TapNic::open(options.bridge_a, error);
  const std::unique_ptr<TapNic> b = a == nullptr ? nullptr : TapNic::open(options.bridge_b, error);
  if (b == nullptr) {
    std::fprintf(stderr, "sluice-wiregen: %s\n", error.c_str());
    return 1;
  }
  // Waits are shorter than the kernel's default slack of 50 µs.
  prctl(PR_SET_TIMERSLACK, 1000UL, 0UL, 0UL, 0UL);
  const MonotonicClock clock;
  Bridge bridge(*a, *b, clock, options.bridge);
  std::printf("ready %s %s\n", options.bridge_a.c_str(), options.bridge_b.c_str());
  std::fflush(stdout);
  pollfd files[2] = {{a->wait_fd(), POLLIN, 0}, {b->wait_fd(), POLLIN, 0}};
  while (interrupted == 0) {
    const uint64_t now_ns = clock_ns();
    if (bridge.turn(now_ns) != 0) continue;
    const uint64_t due_ns = bridge.due_ns();
    if (due_ns <= now_ns) continue;
    const uint64_t left_ns = std::min<uint64_t>(due_ns - now_ns, 100'000'000);
    const timespec most{0, static_cast<long>(left_ns)};
    ppoll(files, 2, &most, nullptr);
  }
  std::printf("%s\n", bridge.report().c_str());
  return 0;
}

// What the clients are played on, and what keeps it open.
struct Device {
  std::unique_ptr<TapNic> tap;
  std::unique_ptr<nic::DpdkDevice> dpdk;
  nic::Nic* nic = nullptr;
};

bool open_device(const Options& options, Device& out, std::string& error) {
  if (!options.tap.empty()) {
    out.tap = TapNic::open(options.tap, error);
    out.nic = out.tap.get();
    return out.tap != nullptr;
  }
  out.dpdk = nic::open_dpdk({.eal = options.eal.c_str(), .port = options.port.c_str(), .packets = options.packets}, error);
  if (out.dpdk == nullptr) return false;
  out.nic = &out.dpdk->queue(0);
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 2 && std::strcmp(argv[1], "--help") == 0) return std::fputs(usage(), stdout) < 0 ? 1 : 0;
  Options options;
  std::string error = parse_options(argc, argv, options);
  if (!error.empty()) {
    std::fprintf(stderr, "sluice-wiregen: %s\n%s", error.c_str(), usage());
    return 2;
  }
  std::signal(SIGPIPE, SIG_IGN);
  for (const int signal : {SIGINT, SIGTERM}) std::signal(signal, [](int) { interrupted = 1; });
  if (!options.bridge_a.empty()) return bridge(options);
  std::string text;
  if (!read_text(options.scenario, text)) {
    std::fprintf(stderr, "sluice-wiregen: cannot read %s: %s\n", options.scenario.c_str(), std::strerror(errno));
    return 2;
  }
  Scenario scenario;
  scenario.settings.seed = options.seed != 0 ? options.seed : clock_ns();
  error = read_scenario(text, scenario);
  if (!error.empty()) {
    std::fprintf(stderr, "sluice-wiregen: %s: %s\n", options.scenario.c_str(), error.c_str());
    return 2;
  }
  if (options.check) return 0;
  Device device;
  if (!open_device(options, device, error)) {
    std::fprintf(stderr, "sluice-wiregen: %s\n", error.c_str());
    return 1;
  }
  // After the device: DPDK moves the thread.
  if (options.cpu >= 0) pin_to(options.cpu);
  return play(*device.nic, scenario, options);
}
