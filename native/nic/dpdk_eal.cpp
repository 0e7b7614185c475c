#include "nic/dpdk_eal.hpp"

#include <sched.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_log.h>

#include <cctype>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "nic/tap_device.hpp"

namespace sluice::nic {

namespace {

bool has(const std::vector<std::string>& words, std::initializer_list<const char*> options) {
  for (const std::string& word : words) {
    for (const char* option : options) {
      const size_t length = std::strlen(option);
      // "-l0" and "--vdev=x" name the option as well as "-l 0" and "--vdev x" do.
      const bool is_long = option[1] == '-';
      if (word == option || (word.compare(0, length, option) == 0 && (is_long ? word[length] == '=' : word[1] != '-'))) return true;
    }
  }
  return false;
}

// All CPUs that this thread may use, for the main lcore: EAL would otherwise pin it to one and start a thread on each of the others.
std::string all_cpus(const cpu_set_t& set) {
  std::string list;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (CPU_ISSET(cpu, &set)) list += (list.empty() ? "" : ",") + std::to_string(cpu);
  }
  return "0@(" + list + ")";
}

void add_defaults(std::vector<std::string>& words, const cpu_set_t& set) {
  if (!has(words, {"-l", "-c", "--lcores"})) words.push_back("--lcores=" + all_cpus(set));
  // Nothing is left behind in hugetlbfs, and several processes do not meet. EAL refuses the two together with --no-huge.
  if (has(words, {"--no-huge"})) {
    if (!has(words, {"--file-prefix", "--proc-type", "--no-shconf"})) words.push_back("--no-shconf");
  } else if (!has(words, {"--in-memory", "--huge-dir", "--file-prefix", "--proc-type", "--legacy-mem"})) {
    words.push_back("--in-memory");
  }
  // A vhost-user peer is sent one file per segment, and takes few.
  if (!has(words, {"--single-file-segments", "--legacy-mem", "--no-huge"})) words.push_back("--single-file-segments");
  // Who names virtual devices only means those.
  if (has(words, {"--vdev"}) && !has(words, {"-a", "-b", "--allow", "--block", "--no-pci"})) words.push_back("--no-pci");
  if (!has(words, {"--log-level"})) {
    words.push_back("--log-level=warning");
    // Complains at each stop that there are no secondary processes to tell.
    words.push_back("--log-level=pmd.net.tap:critical");
  }
  if (!has(words, {"--telemetry", "--no-telemetry"})) words.push_back("--no-telemetry");
}

// What went wrong, from the log of a failed start: its last lines that say so.
std::string last_errors(const char* log) {
  std::vector<std::string> lines;
  for (const char* at = log; *at != '\0';) {
    const char* const end = std::strchr(at, '\n');
    const std::string line(at, end == nullptr ? std::strlen(at) : static_cast<size_t>(end - at));
    if (!line.empty()) lines.push_back(line);
    if (end == nullptr) break;
    at = end + 1;
  }
  std::string out;
  for (size_t i = lines.size() > 3 ? lines.size() - 3 : 0; i < lines.size(); ++i) out += (out.empty() ? "" : "; ") + lines[i];
  return out;
}

int init(std::vector<std::string>& words, std::string& log_text) {
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  char* log = nullptr;
  size_t log_bytes = 0;
  FILE* const stream = open_memstream(&log, &log_bytes);
  FILE* const nowhere = std::fopen("/dev/null", "w");
  if (stream != nullptr) rte_openlog_stream(stream);
  // EAL prints pages of usage where it does not like an argument; what it does not like is in the log.
  FILE* const terminal = stdout;
  if (nowhere != nullptr) stdout = nowhere;
  const int result = rte_eal_init(static_cast<int>(words.size()), argv.data());
  stdout = terminal;
  rte_openlog_stream(nullptr);
  if (nowhere != nullptr) std::fclose(nowhere);
  if (stream != nullptr) std::fclose(stream);
  if (log != nullptr) log_text = log;
  std::free(log);
  return result;
}

std::string advice(const std::vector<std::string>& words, const std::string& log) {
  const bool memory = log.find("hugepage") != std::string::npos || log.find("memory") != std::string::npos;
  if (memory && !has(words, {"--no-huge"})) {
    return "Reserve hugepages (sysctl -w vm.nr_hugepages=256), or add `--no-huge -m 256` to the EAL arguments";
  }
  if (geteuid() != 0) return "Run as root, or give the user access to hugepages and to the device (`sluice doctor`)";
  return "Check the EAL arguments (--eal) and `sluice doctor`";
}

struct Eal {
  bool tried = false;
  bool started = false;
  std::string text;
  std::string reason;
};

Eal& eal() {
  static Eal instance;
  return instance;
}

bool start_once(const char* text, std::string& error) {
  std::vector<std::string> words{"sluice"};
  if (!split_arguments(text, words)) {
    error = std::string("EAL arguments: a quote is left open: ") + text;
    return false;
  }
  // EAL would print, which is kept from the terminal here, and end the process as if all had gone well.
  if (has(words, {"-h", "--help", "-v", "--version"})) {
    error = std::string("EAL arguments: -h and -v are for DPDK's own programs (dpdk-testpmd): ") + text;
    return false;
  }
  // EAL would open its own queue of it without a word.
  if (const std::string tap = taken_tap(words); !tap.empty()) {
    error = tap_taken_error(tap);
    return false;
  }
  cpu_set_t affinity;
  const bool have_affinity = sched_getaffinity(0, sizeof affinity, &affinity) == 0;
  if (!have_affinity) CPU_SET(0, &affinity);
  add_defaults(words, affinity);
  std::string log;
  const int result = init(words, log);
  // rte_eal_init narrows the affinity of the thread that called it, which may be Node's.
  if (have_affinity) sched_setaffinity(0, sizeof affinity, &affinity);
  if (result >= 0) return true;
  const std::string lines = last_errors(log.c_str());
  error = "EAL does not start: " + (lines.empty() ? std::string(rte_strerror(rte_errno)) : lines) + ". " + advice(words, log);
  return false;
}

}  // namespace

bool split_arguments(const char* text, std::vector<std::string>& out) {
  std::string word;
  bool in_word = false;
  char quote = '\0';
  for (; *text != '\0'; ++text) {
    const char c = *text;
    if (quote == '\0' && std::isspace(static_cast<unsigned char>(c)) != 0) {
      if (in_word) out.push_back(word);
      word.clear();
      in_word = false;
      continue;
    }
    in_word = true;
    if (quote != '\0' && c == quote) {
      quote = '\0';
    } else if (quote == '\0' && (c == '\'' || c == '"')) {
      quote = c;
    } else if (c == '\\' && quote != '\'' && text[1] != '\0') {
      word += *++text;
    } else {
      word += c;
    }
  }
  if (in_word) out.push_back(word);
  return quote == '\0';
}

bool start_eal(const char* text, std::string& error) {
  Eal& state = eal();
  if (!state.tried) {
    state.tried = true;
    state.text = text;
    state.started = start_once(text, state.reason);
  } else if (state.started && state.text != text) {
    error = "EAL runs in this process with other arguments already: use the same, or another process";
    return false;
  }
  if (!state.started) error = state.reason;
  return state.started;
}

}  // namespace sluice::nic
