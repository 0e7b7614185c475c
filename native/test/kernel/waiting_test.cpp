#include <poll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <thread>

#include "base/clock.hpp"
#include "test/kernel/driver_fixture.hpp"
#include "test/kernel/peer.hpp"

// Waiting, budgets, and the limit on files.

using namespace sluice;
using namespace sluice::test;

namespace {

bool readable(int fd, int timeout_ms) {
  pollfd entry{fd, POLLIN, 0};
  return ::poll(&entry, 1, timeout_ms) == 1;
}

// As another event loop hosts a driver: it is polled only while its file is readable.
bool host_until(DriverFixture& fixture, const std::function<bool()>& done) {
  for (uint32_t i = 0; i < 2'000; ++i) {
    if (done()) return true;
    if (!readable(fixture.driver->wait_fd(), 1'000)) return false;
    for (uint32_t round = 0; round < 16; ++round) {
      if (fixture.turn(0, 4) == 0) break;
    }
  }
  return false;
}

// For the life of it the process may open `spare` more files.
class FewFiles {
 public:
  explicit FewFiles(uint32_t spare) {
    getrlimit(RLIMIT_NOFILE, &before_);
    const int lowest = ::dup(0);
    ::close(lowest);
    rlimit low = before_;
    low.rlim_cur = static_cast<rlim_t>(lowest) + spare;
    setrlimit(RLIMIT_NOFILE, &low);
  }
  ~FewFiles() { setrlimit(RLIMIT_NOFILE, &before_); }

 private:
  rlimit before_{};
};

}  // namespace

TEST_CASE("a wait ends with its time, the doorbell or a stream", "[kernel]") {
  const auto variant = GENERATE(from_range(variants()));
  INFO(variant.name);
  DriverFixture fixture(variant);
  if (!fixture.usable()) return;
  const int doorbell = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  fixture.driver->watch_doorbell(doorbell);
  fixture.turn(0);
  // A signal may end a wait early, and the kernel sends some itself when it takes the ring of an earlier test apart.
  uint64_t longest = 0;
  for (uint32_t attempt = 0; attempt < 10 && longest < 15'000; ++attempt) {
    const uint64_t begin = monotonic_us();
    CHECK(fixture.driver->poll(20'000, 16) == 0);
    longest = std::max(longest, monotonic_us() - begin);
  }
  CHECK(longest >= 15'000);
  for (uint32_t round = 0; round < 3; ++round) {
    std::thread ringer([doorbell] {
      usleep(5'000);
      const uint64_t one = 1;
      [[maybe_unused]] const ssize_t put = ::write(doorbell, &one, sizeof one);
    });
    const uint64_t before = monotonic_us();
    CHECK(fixture.driver->poll(60'000'000, 16) == 0);
    CHECK(monotonic_us() - before < 30'000'000);
    ringer.join();
    fixture.turn(1'000);
  }
  Peer peer(fixture.port());
  CHECK(fixture.driver->poll(-1, 16) == 1);
  CHECK(fixture.accepted == 1);
  fixture.driver.reset();
  ::close(doorbell);
}

TEST_CASE("a driver that was made on one thread runs on another", "[kernel]") {
  const auto variant = GENERATE(from_range(variants()));
  INFO(variant.name);
  DriverFixture fixture(variant);
  if (!fixture.usable()) return;
  Peer peer(fixture.port());
  peer.send("hello");
  bool got = false;
  std::thread core([&] {
    got = fixture.run_until([&] { return fixture.accepted == 1 && fixture[0].received == "hello"; });
  });
  core.join();
  CHECK(got);
  // And is taken apart on the first again.
  fixture.driver->stop_listening();
  fixture.driver.reset();
  peer.receive();
}

TEST_CASE("another loop can host the driver by its file", "[kernel]") {
  const auto variant = GENERATE(from_range(variants()));
  INFO(variant.name);
  DriverFixture fixture(variant);
  if (!fixture.usable()) return;
  const int fd = fixture.driver->wait_fd();
  while (readable(fd, 20)) fixture.turn(0);
  std::vector<Peer> peers;
  for (uint32_t i = 0; i < 20; ++i) peers.emplace_back(fixture.port());
  REQUIRE(host_until(fixture, [&] { return fixture.accepted == 20; }));
  for (Peer& peer : peers) peer.send("ping");
  REQUIRE(host_until(fixture, [&] { return fixture.receives == 20; }));
  // Also for what was asked of it outside of a turn.
  fixture.driver->pause_reading(3);
  REQUIRE(host_until(fixture, [&] { return fixture.turn(0) == 0; }));
  peers[3].send("pong");
  fixture.run_for(5);
  CHECK(fixture[3].received == "ping");
  fixture.driver->resume_reading(3);
  fixture.driver->notify_writable(4);
  REQUIRE(host_until(fixture, [&] { return fixture[3].received == "pingpong" && fixture[4].writable == 1; }));
  uint32_t rounds = 0;
  while (readable(fd, 20) && rounds++ < 50) fixture.turn(0);
  CHECK(rounds < 50);
}

TEST_CASE("a turn takes no more receives than its budget, and the rest is not forgotten", "[kernel]") {
  const auto variant = GENERATE(from_range(variants()));
  INFO(variant.name);
  DriverFixture fixture(variant);
  if (!fixture.usable()) return;
  constexpr uint32_t kPeers = 40;
  std::vector<Peer> peers;
  for (uint32_t i = 0; i < kPeers; ++i) {
    peers.emplace_back(fixture.port());
    REQUIRE(fixture.run_until([&] { return fixture.accepted == i + 1; }));
  }
  while (fixture.turn(1'000) != 0) {
  }
  for (Peer& peer : peers) peer.send("x");
  usleep(2'000);
  uint32_t turns = 0;
  while (fixture.receives < kPeers && turns++ < 1'000) {
    const uint32_t before = fixture.receives;
    fixture.driver->poll(0, 8);
    CHECK(fixture.receives - before <= 8);
    if (fixture.receives < kPeers) CHECK(readable(fixture.driver->wait_fd(), 1'000));
    fixture.driver->flush();
  }
  CHECK(fixture.receives == kPeers);
}

TEST_CASE("out of files, clients are reset, streams are served, and it is told once", "[kernel]") {
  const auto variant = GENERATE(from_range(variants()));
  INFO(variant.name);
  DriverFixture fixture(variant);
  if (!fixture.usable()) return;
  std::vector<Peer> peers;
  for (uint32_t i = 0; i < 4; ++i) {
    peers.emplace_back(fixture.port());
    REQUIRE(fixture.run_until([&] { return fixture.accepted == i + 1; }));
  }
  {
    // The clients' sockets come out of the same limit: they are opened first.
    std::vector<Peer> refused(30);
    const FewFiles few(0);
    // An accept that is under way has the limit that it was begun with.
    ListenOptions options;
    options.address = "127.0.0.1";
    std::string error;
    fixture.driver->stop_listening();
    REQUIRE(fixture.driver->listen(options, error));
    for (Peer& peer : refused) peer.connect(fixture.port());
    REQUIRE(fixture.run_until([&] {
      uint32_t told = 0;
      for (Peer& peer : refused) {
        peer.receive();
        told += peer.error == ECONNRESET ? 1 : 0;
      }
      return told + fixture.accepted == 34;
    }));
    CHECK(fixture.notices(NoticeKind::kFileLimit) == 1);
    CHECK(fixture.driver->counters().refused >= 1);
    peers[0].send("served all the same");
    REQUIRE(fixture.run_until([&] { return fixture[0].received == "served all the same"; }));
    CHECK(fixture.notices(NoticeKind::kFileLimit) == 1);
    CHECK(fixture.notices(NoticeKind::kFileLimitOver) == 0);
  }
  const uint32_t before = fixture.accepted;
  Peer welcome(fixture.port());
  REQUIRE(fixture.run_until([&] { return fixture.accepted == before + 1; }));
  const StreamId id = fixture.newest;
  welcome.send("files again");
  REQUIRE(fixture.run_until([&] { return fixture[id].received == "files again"; }));
  REQUIRE(fixture.run_until([&] { return fixture.notices(NoticeKind::kFileLimitOver) == 1; }));
  CHECK(fixture.driver->counters().accept_paused == 1);
}
