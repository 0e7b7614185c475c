#include "base/slices.hpp"

#include <catch2/catch.hpp>

#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>
#include <future>
#include <thread>

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

}  // namespace

TEST_CASE("slices: those of other threads grow, and nothing else changes", "[slices]") {
  std::promise<long> started;
  std::promise<void> over;
  std::thread other([&] {
    started.set_value(syscall(SYS_gettid));
    over.get_future().wait();
  });
  const long thread = started.get_future().get();
  const Attributes own(0);
  const Attributes before(thread);
  lengthen_slices_of_others();
  const Attributes after(thread);
  CHECK(Attributes(0).slice_ns() == own.slice_ns());
  // Before Linux 6.12 a thread has no slice of its own.
  if (before.slice_ns() != 0) CHECK(after.slice_ns() == 10'000'000);
  CHECK(after.policy() == before.policy());
  CHECK(after.nice() == before.nice());
  over.set_value();
  other.join();
}
