#include "base/slices.hpp"

#include <dirent.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>

namespace sluice {

namespace {

// linux/sched/types.h, in its first version: C libraries that know it are younger than some systems that the addon is to load on.
struct SchedulingAttributes {
  uint32_t size;
  uint32_t policy;
  uint64_t flags;
  int32_t nice;
  uint32_t priority;
  uint64_t runtime_ns;
  uint64_t deadline_ns;
  uint64_t period_ns;
};
static_assert(sizeof(SchedulingAttributes) == 48);

// The kernel's own is 0.7 to 2.8 ms by the number of CPUs. Above that any length does; a longer one would only be time that such a thread
// may keep once the calling thread has used up its share.
constexpr uint64_t kSliceNs = 10'000'000;

void lengthen(pid_t thread) noexcept {
  SchedulingAttributes attributes{};
  if (syscall(SYS_sched_getattr, thread, &attributes, sizeof attributes, 0) != 0 || attributes.policy != SCHED_OTHER) return;
  attributes.size = sizeof attributes;
  attributes.runtime_ns = kSliceNs;
  // Older kernels take it and do nothing.
  static_cast<void>(syscall(SYS_sched_setattr, thread, &attributes, 0));
}

}  // namespace

void lengthen_slices_of_others() noexcept {
  DIR* const threads = opendir("/proc/self/task");
  if (threads == nullptr) return;
  const auto own = static_cast<pid_t>(syscall(SYS_gettid));
  while (const dirent* const entry = readdir(threads)) {
    const auto thread = static_cast<pid_t>(std::atoi(entry->d_name));
    if (thread > 0 && thread != own) lengthen(thread);
  }
  closedir(threads);
}

}  // namespace sluice
