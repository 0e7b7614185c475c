#include "base/other_threads.hpp"

#include <catch2/catch.hpp>

#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>
#include <future>
#include <thread>
#include <utility>

using namespace sluice;

namespace {

// Of sched_getattr: its words and the place of the slice among them.
struct Attributes {
  uint64_t words[6] = {};

  explicit Attributes(long thread) { REQUIRE(syscall(SYS_sched_getattr, thread, words, sizeof words, 0) == 0); }
  uint64_t slice_ns() const { return words[3]; }
  uint64_t policy() const { return words[0] >> 32; }
  uint64_t nice() const { return words[2]; }
};

// A thread that waits for its end.
struct Other {
  std::promise<void> over;
  std::promise<long> started;
  std::thread waiting{[this] {
    started.set_value(syscall(SYS_gettid));
    over.get_future().wait();
  }};
  const long thread = started.get_future().get();

  ~Other() {
    over.set_value();
    waiting.join();
  }
};

// The calling thread has the one that it runs on.
struct OneCpu {
  cpu_set_t before;

  OneCpu() {
    REQUIRE(sched_getaffinity(0, sizeof before, &before) == 0);
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(sched_getcpu(), &one);
    REQUIRE(sched_setaffinity(0, sizeof one, &one) == 0);
  }
  ~OneCpu() { sched_setaffinity(0, sizeof before, &before); }
};

}  // namespace

TEST_CASE("other threads: their slices grow, the loop's shrinks, and nothing else changes", "[other-threads]") {
  const Other other;
  const long thread = other.thread;
  const Attributes own(0);
  const Attributes before(thread);
  {
    const OtherThreads others;
    const Attributes after(thread);
    const Attributes loop(0);
    // Before Linux 6.12 a thread has no slice of its own.
    if (before.slice_ns() != 0) {
      CHECK(after.slice_ns() == 10'000'000);
      CHECK(loop.slice_ns() == 200'000);
    }
    for (const auto& [is, was] : {std::pair{after, before}, std::pair{loop, own}}) {
      CHECK(is.policy() == was.policy());
      CHECK(is.nice() == was.nice());
    }
  }
  CHECK(Attributes(0).slice_ns() == own.slice_ns());
}

TEST_CASE("other threads: on one CPU they step back while the loop has time left", "[other-threads]") {
  const Other other;
  const auto nice = [&other] { return static_cast<int>(Attributes(other.thread).nice()); };
  const int before = nice();
  const OneCpu one;
  {
    OtherThreads others;
    // Without the right to take a nice value back none is given up.
    const int back = others.step_back() ? 19 : before;
    others.loop_had(5, 100);
    CHECK(nice() == before);
    others.loop_had(30, 100);
    CHECK(nice() == back);
    // One that came later, too, within a second.
    const Other late;
    for (int i = 0; i < 10; ++i) others.loop_had(30, 100);
    CHECK(static_cast<int>(Attributes(late.thread).nice()) == back);
    others.loop_had(0, 100);
    CHECK(nice() == before);
    others.loop_had(30, 100);
    CHECK(nice() == back);
  }
  CHECK(nice() == before);
}

TEST_CASE("other threads: with several CPUs they stay as they are", "[other-threads]") {
  cpu_set_t cpus;
  REQUIRE(sched_getaffinity(0, sizeof cpus, &cpus) == 0);
  if (CPU_COUNT(&cpus) == 1) return;
  const Other other;
  const auto before = Attributes(other.thread).nice();
  OtherThreads others;
  others.loop_had(100, 100);
  CHECK_FALSE(others.step_back());
  CHECK(Attributes(other.thread).nice() == before);
}
