#include "queue/region.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include <bit>
#include <cerrno>
#include <cstring>
#include <vector>

#include "base/assert.hpp"

namespace sluice::queue {
namespace {

constexpr char kFolder[] = "/dev/shm/";
// A detached engine's socket lies beside its region.
constexpr char kSocketSuffix[] = ".sock";

std::string path_of(const std::string& name) { return std::string(kFolder) + "sluice-" + name; }

bool name_valid(const std::string& name) {
  if (name.empty() || name.size() > 48 || name[0] == '.' || name.ends_with(kSocketSuffix)) return false;
  for (const char c : name) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
    if (!plain) return false;
  }
  return true;
}

std::string failed(const char* what, const std::string& path, int error, const char* remedy) {
  return std::string(what) + " " + path + ": " + std::strerror(error) + ". " + remedy;
}

// Plans where each section goes. Message bytes come last, so that one comparison tells whether an address may be payload.
class Planner {
 public:
  explicit Planner(RegionHeader& header) : header_(header) {}

  void add(SectionKind kind, uint32_t core, uint64_t prefix, uint32_t element_size, uint32_t count) {
    SLUICE_ASSERT(header_.section_count < kMaxSections);
    const uint64_t size = prefix + static_cast<uint64_t>(element_size) * count;
    header_.sections[header_.section_count++] = Section{kind, core, offset_, size, element_size, count};
    offset_ = (offset_ + size + kPageBytes - 1) / kPageBytes * kPageBytes;
  }

  uint64_t size() const { return offset_; }

 private:
  RegionHeader& header_;
  uint64_t offset_ = kHeaderBytes;
};

uint64_t plan(const RegionOptions& options, RegionHeader& header) {
  Planner planner(header);
  for (uint32_t core = 0; core < options.cores; ++core) {
    planner.add(kSectionCounters, core, 0, sizeof(uint64_t), kCounterSlots);
    planner.add(kSectionEventRing, core, sizeof(RingHeader), sizeof(Record), options.event_records);
    planner.add(kSectionCommandRing, core, sizeof(RingHeader), sizeof(Record), options.command_records);
  }
  planner.add(kSectionInspect, kSharedCore, 0, sizeof(InspectMailbox), options.cores);
  for (uint32_t core = 0; core < options.cores; ++core) {
    planner.add(kSectionCommandData, core, 0, 1, options.command_data_bytes);
    planner.add(kSectionReceive, core, 0, options.receive_block_bytes, options.receive_blocks);
    planner.add(kSectionAssembly, core, 0, 1, options.assembly_bytes);
  }
  planner.add(kSectionArena, kSharedCore, 0, options.arena_chunk_bytes, options.arena_chunks);
  return planner.size();
}

// A region whose process is gone. One that is not ready yet has no magic and is left alone.
bool stale(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0) return false;
  RegionHeader header;
  const ssize_t got = pread(fd, &header, sizeof header, 0);
  close(fd);
  return got == static_cast<ssize_t>(sizeof header) && header.magic == kMagic && header.engine_pid != 0 &&
         kill(static_cast<pid_t>(header.engine_pid), 0) != 0 && errno == ESRCH;
}

// The pid of the live process that owns the region file, or 0.
uint32_t live_owner(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  RegionHeader header;
  const ssize_t got = pread(fd, &header, sizeof header, 0);
  close(fd);
  if (got != static_cast<ssize_t>(sizeof header) || header.engine_pid == 0) return 0;
  const bool alive = kill(static_cast<pid_t>(header.engine_pid), 0) == 0 || errno == EPERM;
  return alive ? header.engine_pid : 0;
}

// A socket whose region is gone: an engine makes its region before its socket, and removes it after.
bool orphaned(const std::string& path) {
  struct stat file;
  if (!path.ends_with(kSocketSuffix) || lstat(path.c_str(), &file) != 0 || !S_ISSOCK(file.st_mode)) return false;
  const std::string region = path.substr(0, path.size() - std::strlen(kSocketSuffix));
  return access(region.c_str(), F_OK) != 0 && errno == ENOENT;
}

// Regions and sockets of processes that were killed stay behind in memory: whoever starts next removes them.
void remove_stale() {
  DIR* folder = opendir(kFolder);
  if (folder == nullptr) return;
  constexpr char kPrefix[] = "sluice-";
  std::vector<std::string> paths;
  while (const dirent* entry = readdir(folder)) {
    if (std::strncmp(entry->d_name, kPrefix, sizeof kPrefix - 1) == 0) paths.push_back(std::string(kFolder) + entry->d_name);
  }
  closedir(folder);
  for (const std::string& path : paths) {
    if (stale(path)) unlink(path.c_str());
  }
  for (const std::string& path : paths) {
    if (orphaned(path)) unlink(path.c_str());
  }
}

int open_new(const std::string& path, std::string& error) {
  for (int attempt = 0; attempt < 2; ++attempt) {
    const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd >= 0) return fd;
    if (errno != EEXIST) {
      error = failed("cannot create the shared region", path, errno, "Mount a tmpfs on /dev/shm that this user may write to.");
      return -1;
    }
    if (const uint32_t pid = live_owner(path); pid != 0) {
      error = "a region named " + path + " belongs to the running process " + std::to_string(pid) + ". Choose another name.";
      return -1;
    }
    unlink(path.c_str());
  }
  error = "the region " + path + " is being created by another process. Choose another name.";
  return -1;
}

bool room_for(const std::string& path, int fd, uint64_t size, std::string& error) {
  struct statvfs room;
  // A write to a page that tmpfs cannot give is SIGBUS in the middle of traffic: refuse at start instead.
  if (fstatvfs(fd, &room) == 0 && static_cast<uint64_t>(room.f_bavail) * room.f_frsize < size) {
    error = "the shared region needs up to " + std::to_string(size >> 20) + " MiB in /dev/shm and " +
            std::to_string((static_cast<uint64_t>(room.f_bavail) * room.f_frsize) >> 20) +
            " MiB are free. Enlarge it (mount -o remount,size=… /dev/shm; docker run --shm-size) or lower the limits on memory.";
    return false;
  }
  if (ftruncate(fd, static_cast<off_t>(size)) != 0) {
    error = failed("cannot size the shared region", path, errno, "Free some memory or lower the limits on memory.");
    return false;
  }
  return true;
}

bool options_valid(const RegionOptions& options, std::string& error) {
  if (!name_valid(options.name)) {
    error = "region name '" + options.name + "' is not usable: at most 48 letters, digits, '-', '_' and '.', not with '.sock' at the end";
    return false;
  }
  const bool powers = std::has_single_bit(options.event_records) && std::has_single_bit(options.command_records) &&
                      std::has_single_bit(options.receive_block_bytes) && std::has_single_bit(options.assembly_bytes) &&
                      std::has_single_bit(options.command_data_bytes);
  if (!powers || options.cores == 0 || options.cores > kMaxCores) {
    const std::string cores = "there must be 1 to " + std::to_string(kMaxCores) + " cores";
    error = "ring, block, command-data and assembly sizes must be powers of two and " + cores;
    return false;
  }
  return true;
}

bool is_ring(const Section& section) { return section.kind == kSectionEventRing || section.kind == kSectionCommandRing; }

uint64_t prefix_of(const Section& section) { return is_ring(section) ? sizeof(RingHeader) : 0; }

bool complete(const RegionHeader& header) {
  const auto has = [&](SectionKind kind, uint32_t core) {
    for (uint32_t i = 0; i < header.section_count; ++i) {
      if (header.sections[i].kind == kind && header.sections[i].core == core) return true;
    }
    return false;
  };
  if (header.cores == 0 || header.cores > kMaxCores) return false;
  for (uint32_t core = 0; core < header.cores; ++core) {
    for (const SectionKind kind : {kSectionCounters, kSectionEventRing, kSectionCommandRing, kSectionCommandData}) {
      if (!has(kind, core)) return false;
    }
  }
  return has(kSectionArena, kSharedCore) && has(kSectionInspect, kSharedCore);
}

// An inspector or a successor must not be led outside of the mapping by what another process wrote.
bool header_valid(const RegionHeader& header, uint64_t size, std::string& error) {
  if (header.magic != kMagic) {
    error = "it is not a Sluice region, or is not ready yet";
  } else if (header.version != kLayoutVersion || header.layout_hash != layout_hash()) {
    error = "its layout is another release's (version " + std::to_string(header.version) + "): use the sluice that created it";
  } else if (header.size != size || header.section_count > kMaxSections) {
    error = "its header does not fit its size";
  } else {
    for (uint32_t i = 0; i < header.section_count; ++i) {
      const Section& section = header.sections[i];
      const uint64_t elements = static_cast<uint64_t>(section.element_size) * section.element_count;
      if (section.offset < kHeaderBytes || section.offset % kPageBytes != 0 || section.offset > size ||
          section.size > size - section.offset || prefix_of(section) + elements > section.size) {
        error = "section " + std::to_string(i) + " lies outside of it";
        return false;
      }
      if (is_ring(section) && (section.element_size != sizeof(Record) || !std::has_single_bit(section.element_count))) {
        error = "section " + std::to_string(i) + " is no ring";
        return false;
      }
    }
    if (complete(header)) return true;
    error = "it lacks a section";
  }
  return false;
}

}  // namespace

Region::Region(std::string name, uint8_t* base, uint64_t size, bool owner)
    : name_(std::move(name)), base_(base), size_(size), owner_(owner) {}

Region::~Region() {
  munmap(base_, size_);
  remove_name();
}

void Region::remove_name() noexcept {
  if (owner_) unlink(path_of(name_).c_str());
  owner_ = false;
}

std::unique_ptr<Region> Region::create(const RegionOptions& options, std::string& error) {
  if (!options_valid(options, error)) return nullptr;
  RegionHeader header{};
  const uint64_t size = plan(options, header);
  if (size > UINT32_MAX) {
    error = "the region would have " + std::to_string(size >> 20) +
            " MiB, more than addresses of 32 bits reach: lower the limits on memory";
    return nullptr;
  }
  remove_stale();
  const std::string path = path_of(options.name);
  const int fd = open_new(path, error);
  if (fd < 0) return nullptr;
  void* base = MAP_FAILED;
  if (room_for(path, fd, size, error)) {
    base = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (base == MAP_FAILED) error = failed("cannot map the shared region", path, errno, "Raise the limit on address space.");
  }
  close(fd);
  if (base == MAP_FAILED) {
    unlink(path.c_str());
    return nullptr;
  }
  timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  auto& mapped = *new (base) RegionHeader{};
  mapped.version = kLayoutVersion;
  mapped.layout_hash = layout_hash();
  mapped.size = size;
  mapped.cores = options.cores;
  mapped.connections_per_core = options.connections_per_core;
  mapped.engine_pid = static_cast<uint32_t>(getpid());
  mapped.engine_started_ms = static_cast<uint64_t>(now.tv_sec) * 1000 + static_cast<uint64_t>(now.tv_nsec) / 1'000'000;
  mapped.owner_epoch.store(1, std::memory_order_relaxed);
  mapped.owner_pid.store(mapped.engine_pid, std::memory_order_relaxed);
  std::memcpy(mapped.name, options.name.c_str(), options.name.size());
  mapped.section_count = header.section_count;
  std::memcpy(mapped.sections, header.sections, sizeof header.sections);
  // Release: whoever sees the magic sees the header. Fresh tmpfs pages are zero, which is the initial state of rings and rows.
  std::atomic_ref<uint64_t>(mapped.magic).store(kMagic, std::memory_order_release);
  auto region = std::unique_ptr<Region>(new Region(options.name, static_cast<uint8_t*>(base), size, true));
  region->payload_begin_ = region->section(kSectionCommandData, 0).offset;
  return region;
}

std::unique_ptr<Region> Region::attach(const std::string& name, bool writable, std::string& error) {
  if (!name_valid(name)) {
    error = "region name '" + name + "' is not usable";
    return nullptr;
  }
  const std::string path = path_of(name);
  const int fd = open(path.c_str(), (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC);
  if (fd < 0) {
    error = failed("cannot open the region", path, errno, "Is the gateway running, and as the same user?");
    return nullptr;
  }
  struct stat info;
  void* base = MAP_FAILED;
  if (fstat(fd, &info) == 0 && static_cast<uint64_t>(info.st_size) >= sizeof(RegionHeader)) {
    base = mmap(nullptr, static_cast<size_t>(info.st_size), writable ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED, fd, 0);
  }
  close(fd);
  if (base == MAP_FAILED) {
    error = "cannot map the region " + path;
    return nullptr;
  }
  const auto size = static_cast<uint64_t>(info.st_size);
  auto region = std::unique_ptr<Region>(new Region(name, static_cast<uint8_t*>(base), size, false));
  std::string reason;
  if (!header_valid(region->header(), size, reason)) {
    error = "cannot use the region " + path + ": " + reason;
    return nullptr;
  }
  region->payload_begin_ = region->section(kSectionCommandData, 0).offset;
  return region;
}

bool Region::own(uint32_t& epoch, uint32_t pid) noexcept {
  RegionHeader& head = header();
  if (!head.owner_epoch.compare_exchange_strong(epoch, epoch + 1, std::memory_order_acq_rel)) return false;
  head.owner_pid.store(pid, std::memory_order_release);
  ++epoch;
  return true;
}

void Region::disown() noexcept {
  header().owner_epoch.store(0, std::memory_order_relaxed);
  header().owner_pid.store(0, std::memory_order_relaxed);
}

const Section& Region::section(SectionKind kind, uint32_t core) const noexcept {
  const RegionHeader& head = header();
  for (uint32_t i = 0; i < head.section_count && i < kMaxSections; ++i) {
    if (head.sections[i].kind == kind && head.sections[i].core == core) return head.sections[i];
  }
  assert_failed("the section exists", __FILE__, __LINE__);
}

}  // namespace sluice::queue
