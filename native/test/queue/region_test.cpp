#include "queue/region.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstring>
#include <fstream>
#include <string>

namespace sluice::queue {
namespace {

RegionOptions small(const std::string& what) {
  RegionOptions options;
  options.name = "test-" + std::to_string(getpid()) + "-" + what;
  options.cores = 2;
  options.connections_per_core = 16;
  options.event_records = 8;
  options.command_records = 16;
  options.command_data_bytes = 4096;
  options.receive_block_bytes = 1024;
  options.receive_blocks = 4;
  options.assembly_bytes = 8192;
  options.arena_chunk_bytes = 4096;
  options.arena_chunks = 2;
  return options;
}

std::string path_of(const RegionOptions& options) { return "/dev/shm/sluice-" + options.name; }
bool exists(const std::string& path) { return access(path.c_str(), F_OK) == 0; }

// A pid that no process has: a child's that was waited for.
uint32_t dead_pid() {
  const pid_t child = fork();
  if (child == 0) _exit(0);
  int status = 0;
  waitpid(child, &status, 0);
  return static_cast<uint32_t>(child);
}

TEST_CASE("region: created, attached to, and gone with its creator", "[queue]") {
  const RegionOptions options = small("attach");
  std::string error;
  auto region = Region::create(options, error);
  REQUIRE(region);
  struct stat info;
  REQUIRE(stat(path_of(options).c_str(), &info) == 0);
  CHECK((info.st_mode & 07777) == 0600);
  CHECK(region->header().engine_pid == static_cast<uint32_t>(getpid()));
  CHECK(region->header().name == options.name);
  region->data(kSectionAssembly, 1)[5] = 42;

  auto other = Region::attach(options.name, true, error);
  REQUIRE(other);
  CHECK(other->size() == region->size());
  CHECK(other->base() != region->base());
  CHECK(other->data(kSectionAssembly, 1)[5] == 42);
  other->data(kSectionArena, kSharedCore)[1] = 7;
  CHECK(region->data(kSectionArena, kSharedCore)[1] == 7);
  other.reset();
  CHECK(exists(path_of(options)));
  auto reader = Region::attach(options.name, false, error);
  REQUIRE(reader);
  CHECK(reader->header().cores == 2);
  region.reset();
  CHECK_FALSE(exists(path_of(options)));
}

TEST_CASE("region: sections do not overlap and have the sizes asked for", "[queue]") {
  const RegionOptions options = small("sections");
  std::string error;
  const auto region = Region::create(options, error);
  REQUIRE(region);
  const RegionHeader& header = region->header();
  REQUIRE(header.section_count == 2 * 6 + 2);
  uint64_t end = kHeaderBytes;
  for (uint32_t i = 0; i < header.section_count; ++i) {
    const Section& section = header.sections[i];
    CHECK(section.offset % kPageBytes == 0);
    CHECK(section.offset >= end);
    end = section.offset + section.size;
  }
  CHECK(end <= region->size());
  CHECK(region->section(kSectionReceive, 1).element_count == 4);
  CHECK(region->section(kSectionEventRing, 0).size == sizeof(RingHeader) + 8 * sizeof(Record));
}

TEST_CASE("region: payload() gives only what lies in the message bytes", "[queue]") {
  std::string error;
  const auto region = Region::create(small("payload"), error);
  REQUIRE(region);
  const auto first = static_cast<uint32_t>(region->section(kSectionCommandData, 0).offset);
  const auto size = static_cast<uint32_t>(region->size());
  CHECK(region->payload(first, 1) == region->base() + first);
  CHECK(region->payload(first - 1, 1) == nullptr);
  CHECK(region->payload(0, 0) == nullptr);
  CHECK(region->payload(static_cast<uint32_t>(region->section(kSectionEventRing, 1).offset), 64) == nullptr);
  CHECK(region->payload(first, size - first) != nullptr);
  CHECK(region->payload(first, size - first + 1) == nullptr);
  CHECK(region->payload(size - 1, 1) == region->base() + size - 1);
  CHECK(region->payload(size, 0) != nullptr);
  CHECK(region->payload(size, 1) == nullptr);
  CHECK(region->payload(first, UINT32_MAX) == nullptr);
  CHECK(region->payload(UINT32_MAX, UINT32_MAX) == nullptr);
  CHECK(region->payload(UINT32_MAX, 1) == nullptr);
}

TEST_CASE("region: names and sizes that cannot be are refused", "[queue]") {
  std::string error;
  for (const char* name : {"", ".hidden", "a/b", "../x", "a b", "0123456789012345678901234567890123456789012345678"}) {
    RegionOptions options = small("name");
    options.name = name;
    error.clear();
    CHECK_FALSE(Region::create(options, error));
    CHECK_FALSE(error.empty());
    CHECK_FALSE(Region::attach(name, false, error));
  }
  const auto refused = [&error](auto change) {
    RegionOptions options = small("size");
    change(options);
    error.clear();
    return !Region::create(options, error) && !error.empty() && !exists(path_of(options));
  };
  CHECK(refused([](RegionOptions& options) { options.event_records = 9; }));
  CHECK(refused([](RegionOptions& options) { options.command_records = 0; }));
  CHECK(refused([](RegionOptions& options) { options.assembly_bytes = 8191; }));
  CHECK(refused([](RegionOptions& options) { options.cores = 0; }));
  CHECK(refused([](RegionOptions& options) { options.cores = kMaxCores + 1; }));
  CHECK(refused([](RegionOptions& options) { options.arena_chunks = 1u << 20; }));
}

TEST_CASE("region: another's header is refused with a reason", "[queue]") {
  const RegionOptions options = small("header");
  std::string error;
  const auto region = Region::create(options, error);
  REQUIRE(region);
  const auto refused = [&](auto change) {
    RegionHeader& header = region->header();
    RegionHeader saved;
    std::memcpy(static_cast<void*>(&saved), &header, sizeof header);
    change(header);
    error.clear();
    const bool refused = !Region::attach(options.name, false, error) && !error.empty();
    std::memcpy(static_cast<void*>(&header), &saved, sizeof header);
    return refused;
  };
  CHECK(refused([](RegionHeader& header) { header.magic ^= 1; }));
  CHECK(refused([](RegionHeader& header) { header.magic = 0; }));
  CHECK(refused([](RegionHeader& header) { ++header.version; }));
  CHECK(refused([](RegionHeader& header) { ++header.layout_hash; }));
  CHECK(refused([](RegionHeader& header) { header.size += kPageBytes; }));
  CHECK(refused([](RegionHeader& header) { header.section_count = kMaxSections + 1; }));
  CHECK(refused([](RegionHeader& header) { header.sections[3].offset = header.size + 1; }));
  CHECK(refused([](RegionHeader& header) { header.sections[3].size = UINT64_MAX; }));
  CHECK(Region::attach(options.name, false, error));
  REQUIRE(truncate(path_of(options).c_str(), static_cast<off_t>(region->size() - kPageBytes)) == 0);
  CHECK_FALSE(Region::attach(options.name, false, error));
  REQUIRE(truncate(path_of(options).c_str(), 100) == 0);
  CHECK_FALSE(Region::attach(options.name, false, error));
}

TEST_CASE("region: what is not there cannot be attached to", "[queue]") {
  std::string error;
  CHECK_FALSE(Region::attach("test-nobody-has-this", false, error));
  CHECK(error.find("running") != std::string::npos);
}

TEST_CASE("region: a living owner keeps its name", "[queue]") {
  const RegionOptions options = small("live");
  std::string error;
  const auto region = Region::create(options, error);
  REQUIRE(region);
  CHECK_FALSE(Region::create(options, error));
  CHECK(error.find(std::to_string(getpid())) != std::string::npos);
  CHECK(Region::attach(options.name, true, error));
}

TEST_CASE("region: a dead owner's file is replaced, and removed whatever its name", "[queue]") {
  const RegionOptions options = small("stale");
  std::string error;
  auto region = Region::create(options, error);
  REQUIRE(region);
  // The creator keeps its mapping; for everybody else its process is gone.
  region->header().engine_pid = dead_pid();
  region->data(kSectionArena, kSharedCore)[0] = 9;
  auto successor = Region::create(options, error);
  REQUIRE(successor);
  CHECK(successor->data(kSectionArena, kSharedCore)[0] == 0);
  successor->header().engine_pid = dead_pid();
  RegionOptions other = small("stale-other");
  const auto third = Region::create(other, error);
  REQUIRE(third);
  CHECK_FALSE(exists(path_of(options)));
}

void bind_socket(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.c_str(), path.size());
  const int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);
  REQUIRE(bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  close(fd);
}

TEST_CASE("region: the socket of an engine that was killed is removed, a living one's is not", "[queue]") {
  std::string error;
  const auto living = Region::create(small("with-socket"), error);
  REQUIRE(living);
  const std::string kept = path_of(small("with-socket")) + ".sock";
  const std::string orphan = path_of(small("killed")) + ".sock";
  bind_socket(kept);
  bind_socket(orphan);
  REQUIRE(Region::create(small("next"), error));
  CHECK(exists(kept));
  CHECK_FALSE(exists(orphan));
  unlink(kept.c_str());
}

TEST_CASE("region: as many cores as may be asked for have room", "[queue]") {
  RegionOptions options = small("cores");
  options.cores = kMaxCores;
  std::string error;
  CHECK(Region::create(options, error));
  INFO(error);
  options.cores = kMaxCores + 1;
  CHECK_FALSE(Region::create(options, error));
  CHECK(error.find("1 to 64 cores") != std::string::npos);
}

TEST_CASE("region: a file that is no region is left alone under other names", "[queue]") {
  const RegionOptions options = small("foreign");
  const std::string path = path_of(options);
  std::ofstream(path) << std::string(8192, 'x');
  std::string error;
  const auto other = Region::create(small("foreign-other"), error);
  REQUIRE(other);
  CHECK(exists(path));
  CHECK_FALSE(Region::attach(options.name, false, error));
  unlink(path.c_str());
}

}  // namespace
}  // namespace sluice::queue
