#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "kernel/factory.hpp"
#include "kernel/socket.hpp"
#include "kernel/uring_abi.hpp"
#include "kernel/uring_ring.hpp"

// What this kernel's io_uring can do, found out by doing it. Versions tell little: distributions carry features back, containers
// and administrators take them away.

namespace sluice {

using namespace uring;

namespace {

constexpr uint32_t kBufferBytes = 4096;
constexpr uint32_t kSndbuf = 4096;

struct SocketPair {
  int ends[2] = {-1, -1};
  SocketPair() {
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) ends[0] = ends[1] = -1;
  }
  ~SocketPair() {
    for (const int fd : ends) {
      if (fd >= 0) ::close(fd);
    }
  }
  bool opened() const noexcept { return ends[0] >= 0; }
};

bool sets_up(uint32_t flags) {
  UringRing ring;
  return ring.open(4, 8, flags) == 0;
}

// Waits at most a second; false when nothing came.
bool completion(UringRing& ring, Cqe& out) {
  const Timespec second{1, 0};
  if (ring.ready() == 0) ring.enter(1, kEnterGetEvents, &second);
  if (ring.ready() == 0) return false;
  out = ring.peek(0);
  ring.advance(1);
  return true;
}

// Several buffers of one ring, registered as the driver does.
struct Buffers {
  alignas(4096) Buffer ring[4096 / sizeof(Buffer)];
  uint8_t bytes[2][kBufferBytes];

  int offer(UringRing& to, bool incremental) {
    std::memset(ring, 0, sizeof ring);
    BufferRingRegistration registration{};
    registration.address = reinterpret_cast<uint64_t>(ring);
    registration.entries = 2;
    registration.flags = incremental ? kBufferRingIncremental : 0;
    for (uint16_t id = 0; id < 2; ++id) {
      ring[id].address = reinterpret_cast<uint64_t>(bytes[id]);
      ring[id].length = kBufferBytes;
      ring[id].id = id;
    }
    ring[0].tail = 2;
    return to.register_with(kRegisterBufferRing, &registration, 1);
  }
};

// One multishot receive has to bring two messages in buffers that the kernel picks. With `incremental`, both in one buffer.
bool receives(bool incremental, bool& buffers_taken) {
  auto buffers = std::make_unique<Buffers>();
  UringRing ring;
  SocketPair pair;
  if (!pair.opened() || ring.open(4, 8, 0) != 0) return false;
  buffers_taken = buffers->offer(ring, incremental) == 0;
  if (!buffers_taken) return false;
  Sqe* sqe = ring.try_sqe();
  sqe->opcode = kOpRecv;
  sqe->flags = kSqeBufferSelect;
  sqe->ioprio = kRecvMultishot;
  sqe->fd = pair.ends[0];
  sqe->user_data = 1;
  for (uint32_t i = 0; i < 2; ++i) {
    if (::send(pair.ends[1], "probe", 5, MSG_NOSIGNAL) != 5) return false;
    Cqe cqe{};
    if (!completion(ring, cqe) || cqe.result != 5) return false;
    if (!(cqe.flags & kCqeBuffer) || !(cqe.flags & kCqeMore)) return false;
    if (((cqe.flags & kCqeBufferMore) != 0) != incremental) return false;
    if (cqe.flags >> kCqeBufferShift != (incremental ? 0 : i)) return false;
    if (std::memcmp(buffers->bytes[incremental ? 0 : i] + (incremental ? i * 5 : 0), "probe", 5) != 0) return false;
  }
  return true;
}

// One multishot accept has to bring two connections. On a socket without a network, under a name that the system chooses.
bool accepts() {
  const int listener = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (listener < 0) return false;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  socklen_t length = sizeof address;
  UringRing ring;
  bool good = bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address.sun_family) == 0 && listen(listener, 4) == 0 &&
              getsockname(listener, reinterpret_cast<sockaddr*>(&address), &length) == 0 && ring.open(4, 8, 0) == 0;
  std::vector<int> opened{listener};
  if (good) {
    Sqe* sqe = ring.try_sqe();
    sqe->opcode = kOpAccept;
    sqe->fd = listener;
    sqe->ioprio = kAcceptMultishot;
    sqe->op_flags = SOCK_CLOEXEC;
    sqe->user_data = 1;
  }
  for (uint32_t i = 0; i < 2 && good; ++i) {
    const int client = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (client >= 0) opened.push_back(client);
    Cqe cqe{};
    good = client >= 0 && ::connect(client, reinterpret_cast<sockaddr*>(&address), length) == 0 && completion(ring, cqe) &&
           cqe.result >= 0;
    if (good) opened.push_back(cqe.result);
    good = good && (cqe.flags & kCqeMore) != 0;
  }
  for (const int fd : opened) ::close(fd);
  return good;
}

// A send that is taken whole must stay silent; one that is not must say how much was taken, and must not be retried.
bool sends_silently() {
  SocketPair pair;
  UringRing ring;
  if (!pair.opened() || ring.open(4, 8, 0) != 0) return false;
  const int size = kSndbuf;
  setsockopt(pair.ends[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
  std::vector<uint8_t> bytes(1u << 20);
  uint64_t taken = 0;
  for (uint32_t i = 0; i < 2; ++i) {
    Sqe* sqe = ring.try_sqe();
    sqe->opcode = kOpSend;
    sqe->flags = kSqeSkipSuccess;
    sqe->fd = pair.ends[0];
    sqe->address = reinterpret_cast<uint64_t>(bytes.data());
    sqe->length = static_cast<uint32_t>(i == 0 ? 16 : bytes.size());
    sqe->op_flags = MSG_NOSIGNAL | MSG_DONTWAIT | MSG_WAITALL;
    sqe->user_data = i + 1;
    if (ring.enter(0, kEnterGetEvents, nullptr) != 1) return false;
    if (i == 0) {
      if (ring.ready() != 0) return false;
      taken = 16;
    }
  }
  Cqe cqe{};
  if (ring.ready() == 0 || !completion(ring, cqe) || cqe.user_data != 2) return false;
  if (cqe.result > 0) taken += static_cast<uint64_t>(cqe.result);
  uint64_t arrived = 0;
  for (;;) {
    const ssize_t got = ::recv(pair.ends[1], bytes.data(), bytes.size(), MSG_DONTWAIT);
    if (got <= 0) break;
    arrived += static_cast<uint64_t>(got);
  }
  return arrived == taken && (cqe.result > 0 || cqe.result == -EAGAIN);
}

std::string why_no_ring(int error) {
  if (error == ENOSYS) return "io_uring: this kernel has none (or a sandbox hides it)";
  if (error == EPERM || error == EACCES) {
    int disabled = 0;
    if (FILE* file = std::fopen("/proc/sys/kernel/io_uring_disabled", "re")) {
      if (std::fscanf(file, "%d", &disabled) != 1) disabled = 0;
      std::fclose(file);
    }
    if (disabled != 0) return "io_uring: switched off by the sysctl kernel.io_uring_disabled=" + std::to_string(disabled);
    return "io_uring: io_uring_setup is not permitted (usually a container's seccomp profile)";
  }
  if (error == ENOTSUP) return "io_uring: this kernel's is too old (6.0 or later is needed)";
  return describe_error("io_uring: setting up a ring", error);
}

UringProbe probe() {
  UringProbe found;
  UringRing ring;
  if (const int result = ring.open(4, 8, 0); result != 0) {
    // SUBMIT_ALL, 5.18, is the youngest flag that every ring is opened with.
    found.reason = why_no_ring(result == -EINVAL ? ENOTSUP : -result);
    return found;
  }
  found.coop_taskrun = sets_up(kSetupCoopTaskrun | kSetupTaskrunFlag);
  found.single_issuer = sets_up(kSetupSingleIssuer);
  found.defer_taskrun = sets_up(kSetupSingleIssuer | kSetupDeferTaskrun | kSetupTaskrunFlag);
  found.multishot_accept = accepts();
  found.multishot_recv = receives(false, found.provided_buffers);
  bool incremental_taken = false;
  found.incremental_buffers = found.multishot_recv && receives(true, incremental_taken);
  found.silent_sends = sends_silently();
  const char* lacking = !found.multishot_accept   ? "multishot accept (5.19)"
                        : !found.provided_buffers ? "rings of provided buffers (5.19)"
                        : !found.multishot_recv   ? "multishot receive (6.0)"
                                                  : nullptr;
  found.usable = lacking == nullptr;
  if (lacking != nullptr) found.reason = std::string("io_uring: this kernel's lacks ") + lacking;
  return found;
}

}  // namespace

std::string uring_features() {
  const UringProbe& found = probe_uring();
  std::string text = "multishot accept and receive";
  text += found.incremental_buffers ? ", incremental buffers" : ", a buffer for each receive";
  if (found.silent_sends) text += ", silent sends";
  text += found.defer_taskrun ? ", deferred task work" : found.coop_taskrun ? ", cooperative task work" : "";
  return text;
}

const UringProbe& probe_uring() {
  static const UringProbe found = probe();
  return found;
}

}  // namespace sluice
