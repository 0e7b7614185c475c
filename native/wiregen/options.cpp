#include "wiregen/options.hpp"

#include <cstdlib>
#include <string_view>

namespace sluice::wiregen {

namespace {

bool parse_number(const std::string& text, double& out) {
  char* end = nullptr;
  out = std::strtod(text.c_str(), &end);
  return end != text.c_str() && *end == '\0' && out >= 0;
}

bool parse_pids(const std::string& text, std::vector<int>& out) {
  size_t at = 0;
  while (at <= text.size()) {
    const size_t comma = text.find(',', at);
    double pid;
    if (!parse_number(text.substr(at, comma == std::string::npos ? comma : comma - at), pid) || pid < 1) return false;
    out.push_back(static_cast<int>(pid));
    if (comma == std::string::npos) return true;
    at = comma + 1;
  }
  return false;
}

// "200M", in bit/s.
bool parse_rate(std::string text, uint64_t& out) {
  double scale = 1;
  if (!text.empty() && std::string_view("KMG").find(text.back()) != std::string_view::npos) {
    scale = text.back() == 'K' ? 1e3 : text.back() == 'M' ? 1e6 : 1e9;
    text.pop_back();
  }
  double number = 0;
  if (!parse_number(text, number) || number * scale < 1e3) return false;
  out = static_cast<uint64_t>(number * scale);
  return true;
}

bool parse_bridge(const std::string& text, Options& out) {
  const size_t comma = text.find(',');
  if (comma == std::string::npos) return false;
  out.bridge_a = text.substr(0, comma);
  out.bridge_b = text.substr(comma + 1);
  return !out.bridge_a.empty() && !out.bridge_b.empty();
}

// False: the value is wrong.
bool apply(std::string_view name, const std::string& value, Options& out, bool& known) {
  double number = 0;
  known = true;
  if (name == "--tap") return !(out.tap = value).empty();
  if (name == "--eal") return !(out.eal = value).empty();
  if (name == "--bridge") return parse_bridge(value, out);
  if (name == "--faults") return nic::parse_faults(value, out.bridge.faults, out.mistake);
  if (name == "--rate") return parse_rate(value, out.bridge.bits_per_second);
  if (name == "--queue" && parse_number(value, number) && number >= 2048 && number <= 1e9) {
    out.bridge.queue_bytes = static_cast<uint32_t>(number);
    return true;
  }
  if (name == "--port") return !(out.port = value).empty();
  if (name == "--server-pid") return parse_pids(value, out.server_pids);
  if (name == "--deadline") return parse_number(value, out.deadline_s);
  if (name == "--cpu" && parse_number(value, number)) {
    out.cpu = static_cast<int>(number);
    return true;
  }
  if (name == "--seed" && parse_number(value, number)) {
    out.seed = static_cast<uint64_t>(number);
    return true;
  }
  if (name == "--packets" && parse_number(value, number) && number >= 1024 && number <= 4e6) {
    out.packets = static_cast<uint32_t>(number);
    return true;
  }
  known = name == "--queue" || name == "--cpu" || name == "--seed" || name == "--packets";
  return false;
}

}  // namespace

std::string parse_options(int argc, char** argv, Options& out) {
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument == "--json") out.json = true;
    else if (argument == "--quiet") out.quiet = true;
    else if (argument == "--check") out.check = true;
    else if (argument.size() < 2 || argument.substr(0, 2) != "--") {
      if (!out.scenario.empty()) return "one scenario at a time: " + argument;
      out.scenario = argument;
    } else {
      bool known = false;
      const bool good = i + 1 < argc && apply(argument, argv[i + 1], out, known);
      if (!out.mistake.empty()) return out.mistake;
      if (i + 1 < argc && !known) return "unknown argument " + argument;
      if (!good) return argument + " needs a value" + (i + 1 < argc ? std::string(", not ") + argv[i + 1] : std::string());
      ++i;
    }
  }
  if (!out.bridge_a.empty()) return out.scenario.empty() ? "" : "--bridge takes no scenario";
  if (out.scenario.empty()) return "which scenario? A file, or - for standard input";
  if (!out.check && out.tap.empty() == out.eal.empty()) return "either --tap NAME or --eal \"ARGUMENTS\" says on which device";
  return "";
}

const char* usage() noexcept {
  return "sluice-wiregen SCENARIO [options]     plays the clients of a scenario on a device\n"
         "  --tap NAME            a TAP device of the kernel in the present network namespace\n"
         "  --eal \"ARGUMENTS\"     a DPDK port, for example --vdev=net_vhost0,iface=/run/wiregen.sock,queues=1\n"
         "  --port NAME   --packets N     which of EAL's ports (the first), and how many packets are reserved for it (65536)\n"
         "  --server-pid PID,…    whose CPU time counts\n"
         "  --deadline S   --cpu N   --seed N   --json (a line for each phase as it ends)   --quiet   --check (reads the scenario only)\n"
         "sluice-wiregen --bridge A,B [options]   joins two TAP devices as a link would, until it is stopped\n"
         "  --faults \"delay=25ms,rx.loss=1%\"     what befalls frames from A to B (rx.) and back (tx.)\n"
         "  --rate 200M   --queue BYTES   bit/s each way, and how much waits for the link before frames are lost (256000)\n"
         "The last line of output is the result, as JSON. docs/WIREGEN.md has the scenario's language.\n";
}

}  // namespace sluice::wiregen
