#pragma once

#include <cstdint>

namespace sluice {

// What other threads may take from the event loop that makes this, on whose thread all is called. It gets shorter slices of the CPU than
// other processes have, and the runtime's threads (V8's, libuv's) get longer ones: Linux (6.12 or later) then lets the loop have it at once
// when it wakes up, where it would wait for the next tick or two (docs/decisions/0320, 0378). Of the runtime's threads that holds while the
// loop has used no more than its share. So where all of them have one CPU, they also step back, to nice 19, for as long as the loop has
// time left: they get what it leaves. While it has none, they get their share: what they compile makes it faster. The latter needs the
// right to take a nice value back (CAP_SYS_NICE, RLIMIT_NICE); without it nothing of that is done. To other processes those threads are
// less than before while they step back (docs/decisions/0362).
class OtherThreads {
 public:
  OtherThreads() noexcept;
  // All are as they were found, but for slices, which are the kernel's own again for the loop only.
  ~OtherThreads();
  OtherThreads(const OtherThreads&) = delete;
  OtherThreads& operator=(const OtherThreads&) = delete;

  // What the loop did since the last call: `idle_ns` of `passed_ns` nanoseconds it had nothing to do. Some ten times a second.
  void loop_had(uint64_t idle_ns, uint64_t passed_ns) noexcept;
  // Whether they do at all.
  bool step_back() const noexcept { return step_back_; }

 private:
  void set_back(bool back) noexcept;

  const int nice_;
  const bool step_back_;
  bool back_ = false;
  // Calls since the last look at which threads there are: new ones have the loop's nice value.
  uint32_t calls_since_ = 0;
};

}  // namespace sluice
