#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <cstring>
#include <fstream>
#include <iterator>

#include "nic/pcap_nic.hpp"
#include "test/nic/nic_fixture.hpp"

namespace sluice::nic::test {
namespace {

struct Record {
  uint64_t time_ns;
  std::string bytes;
};

// A reader of the format that fails on everything that is not whole.
std::vector<Record> read_capture(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string all((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  const auto word = [&](size_t at) {
    REQUIRE(at + 4 <= all.size());
    uint32_t value;
    std::memcpy(&value, all.data() + at, 4);
    return value;
  };
  REQUIRE(word(0) == 0xa1b23c4d);
  REQUIRE(word(4) == (2u | 4u << 16));
  REQUIRE(word(20) == 1);
  std::vector<Record> out;
  for (size_t at = 24; at < all.size();) {
    const uint32_t length = word(at + 8);
    REQUIRE(length == word(at + 12));
    REQUIRE(word(at + 4) < 1'000'000'000);
    REQUIRE(at + 16 + length <= all.size());
    out.push_back({word(at) * 1'000'000'000ull + word(at + 4), all.substr(at + 16, length)});
    at += 16 + length;
  }
  return out;
}

struct TemporaryFile {
  TemporaryFile() {
    const int fd = mkstemp(path);
    REQUIRE(fd >= 0);
    close(fd);
  }
  ~TemporaryFile() { unlink(path); }
  char path[32] = "/tmp/sluice-pcap-XXXXXX";
};

struct Listener final : PcapListener {
  void on_capture_stopped(const std::string& why) override { stops.push_back(why); }
  std::vector<std::string> stops;
};

TEST_CASE("pcap: both directions with their times, readable before the end", "[nic]") {
  TemporaryFile file;
  Pair pair;
  PcapNic pcap(pair.a, pair.clock, 1'700'000'000'000'000);
  std::string error;
  REQUIRE(pcap.open(file.path, error));
  CHECK(read_capture(file.path).empty());
  pair.clock.advance_us(5);
  REQUIRE(send(pcap, 7, 90));
  pair.clock.advance_us(1'000'000);
  REQUIRE(send(pair.b, 8, 1'000));
  CHECK(receive_all(pcap).size() == 1);
  CHECK(receive_all(pair.b).size() == 1);
  const auto records = read_capture(file.path);
  REQUIRE(records.size() == 2);
  CHECK(records[0].time_ns == 1'700'000'000'000'005'000);
  CHECK(records[0].bytes.size() == 90);
  CHECK(records[0].bytes[0] == 7);
  CHECK(records[1].time_ns == 1'700'000'001'000'005'000);
  CHECK(records[1].bytes.size() == 1'000);
}

TEST_CASE("pcap: a killed process leaves what passed", "[nic][no-tsan]") {
  TemporaryFile file;
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    Pair pair;
    PcapNic pcap(pair.a, pair.clock, 0);
    std::string error;
    if (!pcap.open(file.path, error)) _exit(1);
    for (uint8_t i = 0; i < 30; ++i) send(pcap, i);
    kill(getpid(), SIGKILL);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK(WIFSIGNALED(status));
  CHECK(read_capture(file.path).size() == 30);
}

// A limit on the size of files stands for a disk that is full: what is written stops in the middle of a record.
TEST_CASE("pcap: a full disk ends the capture at a whole record, once, and not the traffic", "[nic]") {
  TemporaryFile file;
  rlimit before{};
  REQUIRE(getrlimit(RLIMIT_FSIZE, &before) == 0);
  const auto handler = signal(SIGXFSZ, SIG_IGN);
  const rlimit small{1'000, before.rlim_max};
  REQUIRE(setrlimit(RLIMIT_FSIZE, &small) == 0);
  Listener listener;
  {
    Pair pair;
    PcapNic pcap(pair.a, pair.clock, 0, &listener);
    std::string error;
    const bool opened = pcap.open(file.path, error);
    for (uint8_t i = 0; i < 30; ++i) send(pcap, i, 150);
    setrlimit(RLIMIT_FSIZE, &before);
    signal(SIGXFSZ, handler);
    REQUIRE(opened);
    CHECK_FALSE(pcap.writer().writing());
    CHECK(receive_all(pair.b).size() == 30);
    REQUIRE(send(pcap, 31, 150));
    CHECK(pair.a.pool().outstanding() == 0);
  }
  REQUIRE(listener.stops.size() == 1);
  CHECK(listener.stops[0] == std::string("pcap: ") + file.path + " ends after 854 bytes: File too large");
  CHECK(read_capture(file.path).size() == 5);
}

TEST_CASE("pcap: a path that cannot be written is refused with the reason", "[nic]") {
  Pair pair;
  PcapNic pcap(pair.a, pair.clock, 0);
  std::string error;
  CHECK_FALSE(pcap.open("/nonexistent/folder/a.pcap", error));
  CHECK(error == "pcap: cannot write /nonexistent/folder/a.pcap: No such file or directory");
  REQUIRE(send(pcap, 1));
  CHECK(receive_all(pair.b).size() == 1);
}

TEST_CASE("pcap: /dev/full is said to be full", "[nic]") {
  if (access("/dev/full", W_OK) != 0) {
    WARN("SKIPPED: pcap to a full device: there is no /dev/full");
    return;
  }
  PcapWriter writer;
  std::string error;
  CHECK_FALSE(writer.open("/dev/full", error));
  CHECK(error == "pcap: /dev/full ends after 0 bytes: No space left on device; free space and start again");
}

}  // namespace
}  // namespace sluice::nic::test
