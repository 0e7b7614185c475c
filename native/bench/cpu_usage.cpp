#include "bench/cpu_usage.hpp"

#include <dirent.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace sluice::load {

namespace {

bool read_file(const char* path, char* buffer, size_t size) noexcept {
  FILE* file = std::fopen(path, "re");
  if (file == nullptr) return false;
  size_t got = std::fread(buffer, 1, size - 1, file);
  std::fclose(file);
  buffer[got] = '\0';
  return got > 0;
}

// Fields 14 and 15 of /proc/PID/stat, counted after the command's name, which may hold spaces (proc(5)).
bool read_ticks(int pid, double& user_s, double& system_s) noexcept {
  char path[64];
  char text[1024];
  std::snprintf(path, sizeof path, "/proc/%d/stat", pid);
  if (!read_file(path, text, sizeof text)) return false;
  const char* at = std::strrchr(text, ')');
  if (at == nullptr) return false;
  unsigned long user = 0;
  unsigned long system = 0;
  if (std::sscanf(at + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system) != 2) return false;
  double tick = 1.0 / static_cast<double>(sysconf(_SC_CLK_TCK));
  user_s += static_cast<double>(user) * tick;
  system_s += static_cast<double>(system) * tick;
  return true;
}

double read_schedstat(int pid) noexcept {
  char path[96];
  std::snprintf(path, sizeof path, "/proc/%d/task", pid);
  DIR* tasks = opendir(path);
  if (tasks == nullptr) return 0;
  double total = 0;
  while (dirent* entry = readdir(tasks)) {
    int task = std::atoi(entry->d_name);
    if (task == 0) continue;
    char text[128];
    std::snprintf(path, sizeof path, "/proc/%d/task/%d/schedstat", pid, task);
    if (read_file(path, text, sizeof text)) total += static_cast<double>(std::strtoull(text, nullptr, 10)) / 1e9;
  }
  closedir(tasks);
  return total;
}

double seconds(const timeval& time) noexcept { return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6; }

}  // namespace

CpuSample sample_cpu(const std::vector<int>& server_pids, uint64_t now_ns) {
  CpuSample out;
  out.at_ns = now_ns;
  out.server_known = !server_pids.empty();
  for (int pid : server_pids) {
    if (!read_ticks(pid, out.server_user_s, out.server_system_s)) out.server_known = false;
    out.server_precise_s += read_schedstat(pid);
  }
  rusage usage;
  if (getrusage(RUSAGE_SELF, &usage) == 0) out.client_s = seconds(usage.ru_utime) + seconds(usage.ru_stime);
  return out;
}

}  // namespace sluice::load
