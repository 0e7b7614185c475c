#include "bench/options.hpp"

#include <cstdlib>
#include <cstring>
#include <string_view>

namespace sluice::load {

namespace {

enum class Kind : uint8_t { kCount, kSeconds, kText, kFlag, kCpu, kCounts, kPids, kUrl };

struct Flag {
  std::string_view name;
  Kind kind;
  void* target;
};

bool parse_number(const char* text, double& out) {
  char* end = nullptr;
  out = std::strtod(text, &end);
  return end != text && *end == '\0' && out >= 0 && out < 4e9;
}

// ws://127.0.0.1:9000/path
bool parse_url(std::string_view url, Options& out) {
  constexpr std::string_view kScheme = "ws://";
  if (url.substr(0, kScheme.size()) != kScheme) return false;
  url.remove_prefix(kScheme.size());
  size_t slash = url.find('/');
  if (slash != std::string_view::npos) {
    out.path = std::string(url.substr(slash));
    url = url.substr(0, slash);
  }
  size_t colon = url.find(':');
  if (colon == std::string_view::npos) return false;
  double port;
  if (!parse_number(std::string(url.substr(colon + 1)).c_str(), port) || port < 1 || port > 65535) return false;
  out.host = std::string(url.substr(0, colon));
  out.port = static_cast<uint16_t>(port);
  return true;
}

template <typename T>
bool parse_list(std::string_view text, std::vector<T>& out) {
  while (!text.empty()) {
    size_t comma = text.find(',');
    double value;
    if (!parse_number(std::string(text.substr(0, comma)).c_str(), value)) return false;
    out.push_back(static_cast<T>(value));
    text = comma == std::string_view::npos ? std::string_view{} : text.substr(comma + 1);
  }
  return !out.empty();
}

bool apply(const Flag& flag, const char* value, Options& options) {
  double number = 0;
  switch (flag.kind) {
    case Kind::kFlag:
      *static_cast<bool*>(flag.target) = true;
      return true;
    case Kind::kText:
      *static_cast<std::string*>(flag.target) = value;
      return true;
    case Kind::kUrl:
      return parse_url(value, options);
    case Kind::kCounts:
      return parse_list(value, *static_cast<std::vector<uint32_t>*>(flag.target));
    case Kind::kPids:
      return parse_list(value, *static_cast<std::vector<int>*>(flag.target));
    case Kind::kSeconds:
      return parse_number(value, *static_cast<double*>(flag.target));
    case Kind::kCount:
      if (!parse_number(value, number)) return false;
      *static_cast<uint32_t*>(flag.target) = static_cast<uint32_t>(number);
      return true;
    case Kind::kCpu:
      if (!parse_number(value, number)) return false;
      *static_cast<int*>(flag.target) = static_cast<int>(number);
      return true;
  }
  return false;
}

std::string check(const Options& o) {
  if (o.port == 0) return "--url ws://ADDRESS:PORT/PATH is required";
  if (o.connections == 0) return "--connections must be at least 1";
  if (o.depth == 0 || o.depth > 65536) return "--depth must be between 1 and 65536";
  if (o.size == 0 || o.size > (64u << 20)) return "--size must be between 1 and 67108864";
  if (o.batch == 0 || o.batch > 4096) return "--batch must be between 1 and 4096";
  if (o.channels == 0) return "--channels must be at least 1";
  if (o.open_burst == 0) return "--open-burst must be at least 1";
  if (o.socket_io && !o.subprotocol.empty()) return "--socket-io: it has no subprotocol";
  return "";
}

std::vector<Flag> flags_of(Options& o) {
  return {
      {"--url", Kind::kUrl, nullptr},
      {"--subprotocol", Kind::kText, &o.subprotocol},
      {"--token", Kind::kText, &o.token},
      {"--connections", Kind::kCount, &o.connections},
      {"--depth", Kind::kCount, &o.depth},
      {"--size", Kind::kCount, &o.size},
      {"--duration", Kind::kSeconds, &o.duration_s},
      {"--warmup", Kind::kSeconds, &o.warmup_s},
      {"--rate", Kind::kSeconds, &o.rate},
      {"--batch", Kind::kCount, &o.batch},
      {"--text", Kind::kFlag, &o.text},
      {"--send-each", Kind::kFlag, &o.send_each},
      {"--socket-io", Kind::kFlag, &o.socket_io},
      {"--channels", Kind::kCount, &o.channels},
      {"--subscribers", Kind::kCount, &o.subscribers},
      {"--channel", Kind::kText, &o.channel},
      {"--steps", Kind::kCounts, &o.steps},
      {"--hold", Kind::kSeconds, &o.hold_s},
      {"--interval-ms", Kind::kCount, &o.interval_ms},
      {"--open-burst", Kind::kCount, &o.open_burst},
      {"--open-timeout", Kind::kSeconds, &o.open_timeout_s},
      {"--stall", Kind::kSeconds, &o.stall_s},
      {"--deadline", Kind::kSeconds, &o.deadline_s},
      {"--sources", Kind::kCount, &o.sources},
      {"--spin-us", Kind::kSeconds, &o.spin_us},
      {"--cpu", Kind::kCpu, &o.cpu},
      {"--server-pid", Kind::kPids, &o.server_pids},
      {"--json", Kind::kFlag, &o.json},
      {"--quiet", Kind::kFlag, &o.quiet},
  };
}

}  // namespace

bool parse_options(int argc, char** argv, Options& out, std::string& error) {
  if (argc < 2 || argv[1][0] == '-') {
    error = "a scenario is required";
    return false;
  }
  out.scenario = argv[1];
  std::vector<Flag> flags = flags_of(out);
  for (int i = 2; i < argc; ++i) {
    const Flag* found = nullptr;
    for (const Flag& flag : flags) {
      if (flag.name == argv[i]) found = &flag;
    }
    if (found == nullptr) {
      error = std::string("unknown argument ") + argv[i];
      return false;
    }
    const char* value = nullptr;
    if (found->kind != Kind::kFlag) {
      if (i + 1 >= argc) {
        error = std::string(argv[i]) + " needs a value";
        return false;
      }
      value = argv[++i];
    }
    if (!apply(*found, value, out)) {
      error = std::string("bad value for ") + std::string(found->name) + ": " + value;
      return false;
    }
  }
  error = check(out);
  return error.empty();
}

const char* usage_text() noexcept {
  return "sluice-load SCENARIO --url ws://127.0.0.1:PORT/PATH [options]\n"
         "  echo       --connections N --depth D --size B [--rate R]   every reply is checked; closed loop unless a rate is given\n"
         "  idle       --connections N [--steps N1,N2] --hold S        opens and holds; answers pings and heartbeats\n"
         "  fanout     --connections N --batch M --size B [--rate R]   N subscribers, one publisher on /publish\n"
         "  connect    --connections N                                 opens and closes, N at a time\n"
         "  pub        --connections P --depth D --channels C --subscribers S [--rate R]   sluice.v1\n"
         "  slowloris  --connections N --interval-ms MS --hold S       handshakes one byte at a time\n"
         "  neverread  --connections N --hold S                        subscribers that never read\n"
         "  pace SECONDS   connects to nothing: how fast the CPU is that it runs on, ten times a second\n"
         "  reserve MIB    connects to nothing: takes memory, and gives back as many MiB as each line of its input says\n"
         "common: --duration S --warmup S --cpu N --server-pid PID[,PID] --json --quiet --deadline S --stall S\n"
         "        --sources K --open-burst N --open-timeout S --spin-us US --subprotocol sluice.v1 --token JWT --text --send-each\n"
         "        --socket-io: each message is the argument of an event of Socket.IO's\n";
}

}  // namespace sluice::load
