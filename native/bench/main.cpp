#include <sched.h>
#include <sys/resource.h>

#include <csignal>
#include <cstdio>
#include <cstring>
#include <memory>

#include "bench/client.hpp"
#include "bench/events.hpp"
#include "bench/options.hpp"
#include "bench/pace.hpp"
#include "bench/reserve.hpp"
#include "bench/scenario.hpp"

using namespace sluice::load;

namespace {

void pin_to(int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  if (sched_setaffinity(0, sizeof set, &set) != 0) std::fprintf(stderr, "sluice-load: cannot run on CPU %d, runs anywhere\n", cpu);
}

void raise_file_limit() {
  rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

JsonObject result_of(const Options& options, const Client& client, const Scenario& scenario) {
  JsonObject result;
  result.string("event", "result");
  result.string("scenario", options.scenario);
  result.boolean("ok", client.failure().empty());
  if (!client.failure().empty()) result.string("failure", client.failure());
  result.number("connections", uint64_t{options.connections});
  result.number("depth", uint64_t{options.depth});
  result.number("size", uint64_t{options.size});
  if (options.rate > 0) result.number("rate", options.rate);
  scenario.report(client, result);
  return result;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 2 && std::strcmp(argv[1], "--help") == 0) return std::fputs(usage_text(), stdout) < 0 ? 1 : 0;
  if (argc == 3 && std::strcmp(argv[1], "pace") == 0) return watch_pace(argv[2]);
  if (argc == 3 && std::strcmp(argv[1], "reserve") == 0) return reserve_memory(argv[2]);
  Options options;
  std::string error;
  if (!parse_options(argc, argv, options, error)) {
    std::fprintf(stderr, "sluice-load: %s\n%s", error.c_str(), usage_text());
    return 2;
  }
  std::unique_ptr<Scenario> scenario = make_scenario(options.scenario);
  if (scenario == nullptr) {
    std::fprintf(stderr, "sluice-load: no scenario %s\n%s", options.scenario.c_str(), usage_text());
    return 2;
  }
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGTERM, [](int) { Client::end_now(); });
  raise_file_limit();
  if (options.cpu >= 0) pin_to(options.cpu);
  Client client(options, *scenario);
  bool ok = client.run();
  JsonObject result = result_of(options, client, *scenario);
  if (options.json || !options.quiet) print_event(result);
  if (!ok) std::fprintf(stderr, "sluice-load: %s\n", client.failure().c_str());
  return ok ? 0 : 1;
}
