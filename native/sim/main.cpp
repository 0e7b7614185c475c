#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "sim/net/world.hpp"

// Runs seeds of the simulation: the real stack against itself on virtual time. Prints what a seed did and, where a checker found
// something, what and how to see it again.

namespace sluice::sim {
namespace {

struct Arguments {
  uint64_t seeds = 300;
  uint64_t first = 1;
  bool verbose = false;
  bool twice = false;
  Sabotage sabotage = Sabotage::kNone;
  std::string pcap;
};

constexpr const char* kUsage =
    "usage: sluice-sim [SEEDS [FIRST]] [--verbose] [--twice] [--pcap FILE] [--sabotage NAME]\n"
    "  --verbose   what each seed chose and did\n"
    "  --twice     runs each seed twice and compares the traces\n"
    "  --pcap      writes what was on the wire (with one seed)\n"
    "  --sabotage  plants a bug in host 0\n";

bool read_arguments(int count, char** words, Arguments& out) {
  int numbers = 0;
  for (int i = 1; i < count; ++i) {
    const std::string word = words[i];
    if (word == "--verbose") {
      out.verbose = true;
    } else if (word == "--twice") {
      out.twice = true;
    } else if (word == "--pcap" && i + 1 < count) {
      out.pcap = words[++i];
    } else if (word == "--sabotage" && i + 1 < count) {
      out.sabotage = find_sabotage(words[++i]);
      if (out.sabotage == Sabotage::kNone) return false;
    } else {
      char* end = nullptr;
      const uint64_t number = std::strtoull(word.c_str(), &end, 10);
      if (end == word.c_str() || *end != '\0' || numbers == 2) return false;
      (numbers++ == 0 ? out.seeds : out.first) = number;
    }
  }
  return out.pcap.empty() || out.seeds == 1;
}

WorldResult run_seed(uint64_t seed, const Arguments& arguments, bool capture) {
  WorldOptions options = choose_world(seed);
  options.hosts[0].sabotage = arguments.sabotage;
  World world(options);
  std::string error;
  if (capture && !arguments.pcap.empty() && !world.capture(arguments.pcap, error)) {
    std::fprintf(stderr, "%s\n", error.c_str());
    std::exit(2);
  }
  return world.run();
}

void report(uint64_t seed, const WorldResult& result, bool whole) {
  std::printf("seed %" PRIu64 ": %s, trace %016" PRIx64 ", %" PRIu64 " frames, %" PRIu64 " bytes, %.3f s\n", seed,
              result.good() ? "good" : "BROKEN", result.trace_hash, result.frames, result.bytes,
              static_cast<double>(result.virtual_us) / 1e6);
  if (whole) std::printf("%s", choose_world(seed).text().c_str());
  for (const Finding& finding : result.findings) std::printf("  %s: %s\n", finding.rule.c_str(), finding.what.c_str());
  if (!result.good()) std::printf("  again: scripts/sim 1 %" PRIu64 " --verbose --pcap FILE\n", seed);
  std::fflush(stdout);
}

int run(const Arguments& arguments) {
  uint64_t broken = 0;
  uint64_t all = 0;
  uint64_t frames = 0;
  uint64_t bytes = 0;
  for (uint64_t seed = arguments.first; seed < arguments.first + arguments.seeds; ++seed) {
    WorldResult result = run_seed(seed, arguments, true);
    if (arguments.twice && run_seed(seed, arguments, false).trace_hash != result.trace_hash) {
      result.findings.push_back({"reproduction", "a second run of the same seed went another way"});
    }
    broken += !result.good();
    frames += result.frames;
    bytes += result.bytes;
    all = siphash13({all, seed}, &result.trace_hash, sizeof result.trace_hash);
    if (arguments.verbose || !result.good()) report(seed, result, true);
  }
  std::printf("%" PRIu64 " seeds from %" PRIu64 ": %" PRIu64 " broken; %" PRIu64 " frames, %" PRIu64
              " bytes delivered, all traces %016" PRIx64 "\n",
              arguments.seeds, arguments.first, broken, frames, bytes, all);
  return broken == 0 ? 0 : 1;
}

}  // namespace
}  // namespace sluice::sim

int main(int count, char** words) {
  sluice::sim::Arguments arguments;
  if (!sluice::sim::read_arguments(count, words, arguments)) {
    std::fputs(sluice::sim::kUsage, stderr);
    return 2;
  }
  return sluice::sim::run(arguments);
}
