#include "base/other_threads.hpp"

#include <dirent.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

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
// may keep once the loop has used up its share.
constexpr uint64_t kSliceNs = 10'000'000;
// Shorter than anybody's, so that it is before threads of other processes as well; twice the least that there is.
constexpr uint64_t kLoopSliceNs = 200'000;
// The kernel's own.
constexpr uint64_t kAnySlice = 0;
constexpr int kLast = 19;
// The loop has time left: a tenth. Less, and it would be without it when the next burst comes.
constexpr uint64_t kIdleShare = 10;
// Calls between two looks at threads that are new.
constexpr uint32_t kLookAgain = 10;

// A nice value of -1 is no error where it is not said to be: threads that may be asked for are there.
int nice_of(pid_t thread) noexcept { return getpriority(PRIO_PROCESS, static_cast<id_t>(thread)); }

// Older kernels take it and do nothing.
void set_slice(pid_t thread, SchedulingAttributes& attributes, uint64_t slice_ns) noexcept {
  attributes.size = sizeof attributes;
  attributes.runtime_ns = slice_ns;
  static_cast<void>(syscall(SYS_sched_setattr, thread, &attributes, 0));
}

// True where it is scheduled as most threads are: others have no slices, or another meaning of the same words.
bool read_attributes(pid_t thread, SchedulingAttributes& attributes) noexcept {
  return syscall(SYS_sched_getattr, thread, &attributes, sizeof attributes, 0) == 0 && attributes.policy == SCHED_OTHER;
}

void set_own_slice(uint64_t slice_ns) noexcept {
  SchedulingAttributes attributes{};
  if (read_attributes(0, attributes)) set_slice(0, attributes, slice_ns);
}

template <typename Do>
void for_others(Do&& apply) noexcept {
  DIR* const threads = opendir("/proc/self/task");
  if (threads == nullptr) return;
  const auto own = static_cast<pid_t>(syscall(SYS_gettid));
  while (const dirent* const entry = readdir(threads)) {
    const auto thread = static_cast<pid_t>(std::atoi(entry->d_name));
    SchedulingAttributes attributes{};
    if (thread > 0 && thread != own && read_attributes(thread, attributes)) apply(thread, attributes);
  }
  closedir(threads);
}

bool may_take_back(int nice) noexcept {
  rlimit limit{};
  // The limit counts from the other end: 20 is nice 0, 40 is -20.
  const auto needed = static_cast<rlim_t>(20 - nice);
  if (getrlimit(RLIMIT_NICE, &limit) == 0 && (limit.rlim_cur == RLIM_INFINITY || limit.rlim_cur >= needed)) return true;
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3]{};
  return syscall(SYS_capget, &header, sets) == 0 && (sets[0].effective & (1U << CAP_SYS_NICE)) != 0;
}

bool has_one_cpu() noexcept {
  cpu_set_t cpus;
  return sched_getaffinity(0, sizeof cpus, &cpus) == 0 && CPU_COUNT(&cpus) == 1;
}

}  // namespace

OtherThreads::OtherThreads() noexcept : nice_(nice_of(0)), step_back_(has_one_cpu() && nice_ < kLast && may_take_back(nice_)) {
  for_others([](pid_t thread, SchedulingAttributes& attributes) { set_slice(thread, attributes, kSliceNs); });
  set_own_slice(kLoopSliceNs);
}

OtherThreads::~OtherThreads() {
  if (back_) set_back(false);
  set_own_slice(kAnySlice);
}

void OtherThreads::loop_had(uint64_t idle_ns, uint64_t passed_ns) noexcept {
  if (!step_back_) return;
  const bool back = idle_ns * kIdleShare >= passed_ns;
  if (back == back_ && (!back || ++calls_since_ < kLookAgain)) return;
  set_back(back);
}

void OtherThreads::set_back(bool back) noexcept {
  back_ = back;
  calls_since_ = 0;
  const int from = back ? nice_ : kLast;
  const int to = back ? kLast : nice_;
  for_others([from, to](pid_t thread, const SchedulingAttributes& attributes) {
    // Those that somebody else has set stay as they are.
    if (attributes.nice == from) static_cast<void>(setpriority(PRIO_PROCESS, static_cast<id_t>(thread), to));
  });
}

}  // namespace sluice
