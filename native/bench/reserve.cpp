#include "bench/reserve.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "bench/client.hpp"

namespace sluice::load {

namespace {

constexpr uint64_t kMegabyte = uint64_t{1} << 20;
constexpr uint64_t kPage = 4096;
// A terabyte.
constexpr uint64_t kMost = uint64_t{1} << 20;
// Touched once more for the second figure.
constexpr uint64_t kAgain = 256;

uint8_t* take(uint64_t megabytes) noexcept {
  void* const at = mmap(nullptr, megabytes * kMegabyte, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (at == MAP_FAILED) return nullptr;
  // As servers ask for their tables. Without it there are more page faults, that is all.
  static_cast<void>(madvise(at, megabytes * kMegabyte, MADV_HUGEPAGE));
  return static_cast<uint8_t*>(at);
}

double touch(uint8_t* at, uint64_t megabytes) noexcept {
  const uint64_t from = monotonic_ns();
  for (uint64_t i = 0; i < megabytes * kMegabyte; i += kPage) static_cast<volatile uint8_t*>(at)[i] = 1;
  const uint64_t ns = std::max<uint64_t>(1, monotonic_ns() - from);
  return static_cast<double>(megabytes) * 1e9 / static_cast<double>(ns);
}

void give_back(uint8_t* at, uint64_t megabytes) noexcept { static_cast<void>(munmap(at, megabytes * kMegabyte)); }

// Returns false where the text is no number above 0.
bool parse(const char* text, uint64_t& out) noexcept {
  char* rest = nullptr;
  errno = 0;
  out = std::strtoull(text, &rest, 10);
  return errno == 0 && rest != text && (*rest == '\0' || *rest == '\n') && *text != '-' && out > 0 && out <= kMost;
}

}  // namespace

int reserve_memory(const char* megabytes) {
  uint64_t left = 0;
  if (!parse(megabytes, left)) {
    const auto most = static_cast<unsigned long long>(kMost);
    std::fprintf(stderr, "sluice-load reserve: how many MiB? %s is no whole number from 1 to %llu\n", megabytes, most);
    return 2;
  }
  const uint64_t again = std::min(kAgain, left);
  uint8_t* memory = take(left);
  if (memory == nullptr) {
    std::fprintf(stderr, "sluice-load reserve: %s MiB are not to be had: %s\n", megabytes, std::strerror(errno));
    return 1;
  }
  const double first = touch(memory, left);
  give_back(memory, again);
  uint8_t* const second = take(again);
  const double faster = second == nullptr ? first : touch(second, again);
  if (second != nullptr) give_back(second, again);
  memory += again * kMegabyte;
  left -= again;
  std::printf("{\"event\":\"reserved\",\"first_mib_per_s\":%.0f,\"again_mib_per_s\":%.0f}\n", first, faster);
  if (std::fflush(stdout) != 0) return 1;
  char line[32];
  while (left != 0 && std::fgets(line, sizeof line, stdin) != nullptr) {
    uint64_t some = 0;
    if (!parse(line, some)) continue;
    some = std::min(some, left);
    give_back(memory, some);
    memory += some * kMegabyte;
    left -= some;
  }
  while (std::fgets(line, sizeof line, stdin) != nullptr) {
  }
  return 0;
}

}  // namespace sluice::load
