#pragma once

#include <cstdint>
#include <vector>

namespace sluice::load {

// CPU time of the server's processes and of this one at one moment. The client reads both itself, so that they belong to
// the same instant as its message counts.
struct CpuSample {
  uint64_t at_ns = 0;
  double server_user_s = 0;     // /proc/PID/stat, all threads, also those that ended
  double server_system_s = 0;
  double server_precise_s = 0;  // /proc/PID/task/*/schedstat: nanoseconds, only threads that live
  bool server_known = false;
  double client_s = 0;
};

CpuSample sample_cpu(const std::vector<int>& server_pids, uint64_t now_ns);

}  // namespace sluice::load
