#pragma once

#include <uv.h>

#include <cstdint>
#include <functional>

#include "base/other_threads.hpp"
#include "core/core.hpp"

namespace sluice::addon {

// Hosts one core on Node's own event loop: no wake-up lies between a receive and its handler. A visit is bounded in rounds and in
// time, so that Node's timers and I/O keep their share; while one ends before its work does, and while the core polls a device, the loop
// does not block, and each of its turns is a visit. Once there is nothing to do it sleeps until the driver's file is readable.
class InlineLoop {
 public:
  // `turn` lets the control plane handle the events that are visible; it is called on the loop's thread.
  InlineLoop(uv_loop_t* loop, core::Core& core, std::function<void()> turn);

  // Carries out commands that were written outside of a turn. `whole`: until nothing refers to their bytes any more.
  void pump(bool whole);
  // Closes the handles; `done` is called when the loop has let go of them.
  void close(std::function<void()> done);

 private:
  static constexpr uint32_t kRoundsPerVisit = 16;
  static constexpr uint64_t kVisitUs = 3'000;
  static constexpr uint64_t kTickMs = 20;
  static constexpr uint64_t kTellNs = 100'000'000;

  static void on_readable(uv_poll_t* handle, int status, int events);
  static void on_tick(uv_timer_t* handle);
  static void on_idle(uv_idle_t* handle);

  void visit();
  void tell_others();
  void keep_polling(bool on);
  bool round();

  core::Core& core_;
  std::function<void()> turn_;
  std::function<void()> closed_;
  uv_poll_t poll_;
  uv_timer_t timer_;
  uv_idle_t idle_;
  // V8's and libuv's, which would keep this one waiting where they share a CPU.
  OtherThreads others_;
  uint64_t told_others_ns_ = 0;
  uint64_t idle_ns_ = 0;
  uint32_t told_position_ = 0;
  int open_handles_ = 3;
  bool visiting_ = false;
  bool closing_ = false;
  bool polling_ = false;
};

}  // namespace sluice::addon
