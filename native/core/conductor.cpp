#include "core/conductor.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/clock.hpp"
#include "core/engine.hpp"

namespace sluice::core {

using queue::Counter;

namespace {

constexpr Counter kPauseBuckets[] = {Counter::takeover_pause_10ms,  Counter::takeover_pause_50ms, Counter::takeover_pause_100ms,
                                     Counter::takeover_pause_200ms, Counter::takeover_pause_500ms, Counter::takeover_pause_1s,
                                     Counter::takeover_pause_5s};
constexpr uint64_t kPauseLimitsUs[] = {10'000, 50'000, 100'000, 200'000, 500'000, 1'000'000, 5'000'000};
static_assert(std::size(kPauseBuckets) == std::size(kPauseLimitsUs));

void drain(int fd) noexcept {
  uint64_t count;
  static_cast<void>(!::read(fd, &count, sizeof count));
}

void ring_bell(int fd) noexcept {
  const uint64_t one = 1;
  static_cast<void>(!::write(fd, &one, sizeof one));
}

// Memory with the snapshot that its reader can map but not change.
int snapshot_file(const std::vector<uint8_t>& bytes) {
  const int fd = memfd_create("sluice-snapshot", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (fd < 0) return -1;
  for (size_t at = 0; at < bytes.size();) {
    const ssize_t written = ::write(fd, bytes.data() + at, bytes.size() - at);
    if (written <= 0) {
      ::close(fd);
      return -1;
    }
    at += static_cast<size_t>(written);
  }
  static_cast<void>(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL));
  return fd;
}

}  // namespace

std::unique_ptr<Conductor> Conductor::create(Engine& engine, std::string& error) {
  std::unique_ptr<Conductor> conductor(new Conductor(engine));
  if (!conductor->open(error)) return nullptr;
  conductor->thread_ = std::thread([raw = conductor.get()] { raw->run(); });
  return conductor;
}

Conductor::~Conductor() {
  stopping_.set();
  if (control_ >= 0) ring_bell(control_);
  if (thread_.joinable()) thread_.join();
  release(candidate_);
  release(owner_);
  for (Client& standby : standbys_) release(standby);
  if (listener_ >= 0) {
    ::close(listener_);
    unlink(path_.c_str());
  }
  if (control_ >= 0) ::close(control_);
  if (wake_ >= 0) ::close(wake_);
}

bool Conductor::open(std::string& error) {
  path_ = attach_path(engine_.region().name());
  const auto failed = [&](const char* what) {
    error = std::string(what) + " " + path_ + ": " + std::strerror(errno) + ". Choose another --name, or mend the permissions of /dev/shm.";
    return false;
  };
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path_.size() >= sizeof address.sun_path) {
    errno = ENAMETOOLONG;
    return failed("cannot name the socket");
  }
  std::memcpy(address.sun_path, path_.c_str(), path_.size());
  control_ = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  wake_ = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  const int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0 || control_ < 0 || wake_ < 0) return failed("cannot make the socket");
  // The region's file is ours, so nobody else listens under this name: what is there was left behind.
  unlink(path_.c_str());
  if (bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    const bool result = failed("cannot bind");
    ::close(fd);
    return result;
  }
  listener_ = fd;
  // Before listen(): until then nobody can connect.
  if (chmod(path_.c_str(), 0600) != 0 || listen(fd, 16) != 0) return failed("cannot listen on");
  return true;
}

void Conductor::wake_owner() noexcept { ring_bell(wake_); }

void Conductor::report_corruption() noexcept {
  corrupt_.set();
  ring_bell(control_);
}

void Conductor::run() {
  while (!stopping_.is_set()) {
    std::vector<pollfd> files{{control_, POLLIN, 0}, {listener_, POLLIN, 0}, {owner_.fd, POLLIN, 0}, {candidate_.fd, POLLIN, 0}};
    for (const Client& standby : standbys_) files.push_back({standby.fd, POLLIN, 0});
    int timeout = -1;
    if (deadline_us_ != 0) timeout = static_cast<int>((std::max(deadline_us_, monotonic_us()) - monotonic_us()) / 1000 + 1);
    if (::poll(files.data(), files.size(), timeout) < 0) continue;
    if (files[0].revents != 0) drain(control_);
    if (corrupt_.is_set()) {
      corrupt_.clear();
      if (owner_.fd >= 0) kill_owner();
    }
    // Before the owner's end is looked at: one that is gone itself is not the next.
    if (!standbys_.empty()) read_standbys();
    if (files[2].revents != 0) read_owner();
    if (files[3].revents != 0 && candidate_.fd >= 0) read_candidate();
    if (files[1].revents != 0) accept_client();
    if (deadline_us_ == 0 || monotonic_us() < deadline_us_) continue;
    deadline_us_ = 0;
    if (candidate_waits_ && owner_.fd >= 0) {
      kill_owner();
    } else if (!candidate_waits_) {
      refuse("nothing was asked for in time");
    }
  }
}

void Conductor::accept_client() {
  Client client;
  client.fd = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (client.fd < 0) return;
  ucred peer{};
  socklen_t length = sizeof peer;
  const bool known = getsockopt(client.fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0;
  if (!known || (peer.uid != geteuid() && peer.uid != 0)) return release(client);
  client.pid = static_cast<uint32_t>(peer.pid);
  client.process = static_cast<int>(syscall(SYS_pidfd_open, peer.pid, 0));
  if (candidate_.fd >= 0) {
    answer(client, "another control plane is attaching at the moment");
    return release(client);
  }
  candidate_ = client;
  candidate_waits_ = false;
  deadline_us_ = monotonic_us() + kRequestWithinUs;
}

void Conductor::answer(const Client& client, const std::string& reason) {
  AttachReply reply;
  std::strncpy(reply.reason, reason.c_str(), sizeof reply.reason - 1);
  static_cast<void>(!::send(client.fd, &reply, sizeof reply, MSG_NOSIGNAL));
}

void Conductor::refuse(const std::string& reason) {
  answer(candidate_, reason);
  drop_candidate();
}

void Conductor::drop_candidate() {
  release(candidate_);
  candidate_waits_ = false;
  deadline_us_ = 0;
}

void Conductor::read_candidate() {
  AttachRequest request;
  const ssize_t got = recv(candidate_.fd, &request, sizeof request, 0);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (candidate_waits_ || got != static_cast<ssize_t>(sizeof request) || request.magic != queue::kMagic) {
    return drop_candidate();
  }
  if (request.version != queue::kLayoutVersion || request.layout_hash != queue::layout_hash()) {
    return refuse("the engine's memory layout is another release's: drain to an engine of this release");
  }
  if (owner_.fd >= 0 && (request.flags & kAttachStandby) != 0) return stand_by();
  if (owner_.fd >= 0 && (request.flags & kAttachReplace) == 0) {
    return refuse("the control plane with process id " + std::to_string(owner_.pid) +
                  " is attached: --replace takes over from it, --standby waits for its end");
  }
  deadline_us_ = 0;
  if (owner_.fd < 0) return grant(std::exchange(candidate_, Client{}));
  candidate_waits_ = true;
  ask_to_stop();
}

void Conductor::stand_by() {
  if (standbys_.size() == kMaxStandbys) return refuse("there are " + std::to_string(kMaxStandbys) + " standbys already: end one of them");
  standbys_.push_back(std::exchange(candidate_, Client{}));
  deadline_us_ = 0;
  count_standbys();
}

// They have nothing to say: what can be read is their end.
void Conductor::read_standbys() {
  const size_t before = standbys_.size();
  std::erase_if(standbys_, [this](Client& standby) {
    uint8_t byte;
    const ssize_t got = recv(standby.fd, &byte, sizeof byte, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return false;
    release(standby);
    return true;
  });
  if (standbys_.size() != before) count_standbys();
}

void Conductor::count_standbys() {
  engine_.on_core(0, [count = standbys_.size()](Core& core) { core.counters().set(Counter::standbys, count); });
}

void Conductor::ask_to_stop() {
  const OwnerNotice notice{OwnerMessage::kStop, candidate_.pid};
  planned_ = true;
  pause_began_us_ = monotonic_us();
  deadline_us_ = pause_began_us_ + kStopWithinUs;
  if (::send(owner_.fd, &notice, sizeof notice, MSG_NOSIGNAL) < 0) kill_owner();
}

void Conductor::kill_owner() {
  // Its end of the socket closes when it is dead, not before, so nothing of it writes when the next one begins. Without a pidfd
  // (Linux before 5.3) the id could be another's by now: then the socket's end is waited for.
  if (owner_.pid == static_cast<uint32_t>(getpid())) return owner_gone();
  if (owner_.process >= 0) static_cast<void>(syscall(SYS_pidfd_send_signal, owner_.process, SIGKILL, nullptr, 0));
}

void Conductor::read_owner() {
  OwnerNotice notice;
  const ssize_t got = recv(owner_.fd, &notice, sizeof notice, 0);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got != static_cast<ssize_t>(sizeof notice)) return owner_gone();
  if (notice.message != OwnerMessage::kRunning) return;
  engine_.on_cores([](Core& core) { core.owner_runs(); });
  count_pause();
}

void Conductor::owner_gone() {
  former_pid_ = owner_.pid;
  release(owner_);
  if (pause_began_us_ == 0) pause_began_us_ = monotonic_us();
  engine_.on_cores([](Core& core) { core.detach(); });
  if (std::exchange(candidate_waits_, false)) {
    deadline_us_ = 0;
    return grant(std::exchange(candidate_, Client{}));
  }
  if (standbys_.empty()) return;
  const Client next = standbys_.front();
  standbys_.erase(standbys_.begin());
  grant(next);
  count_standbys();
}

void Conductor::grant(Client client) {
  std::vector<std::vector<uint8_t>> parts(engine_.cores());
  engine_.on_cores([&parts](Core& core) { core.attach_owner(parts[core.index()]); });
  std::vector<uint8_t> bytes;
  for (const std::vector<uint8_t>& part : parts) bytes.insert(bytes.end(), part.begin(), part.end());
  AttachReply reply;
  reply.granted = 1;
  reply.cores = engine_.cores();
  reply.former_pid = former_pid_;
  const uint64_t pause_us = pause_began_us_ == 0 ? 0 : monotonic_us() - pause_began_us_;
  reply.pause_ms = static_cast<uint32_t>(std::min<uint64_t>(pause_us / 1000, UINT32_MAX));
  reply.snapshot_bytes = bytes.size();
  // Nobody else may write there; who did is not followed.
  while (!engine_.region().own(epoch_, client.pid)) continue;
  reply.epoch = epoch_;
  const int snapshot = snapshot_file(bytes);
  owner_ = client;
  const bool sent = snapshot >= 0 && send_grant(reply, snapshot);
  if (snapshot >= 0) ::close(snapshot);
  if (!sent) owner_gone();
}

bool Conductor::send_grant(const AttachReply& reply, int snapshot) {
  std::vector<int> files{snapshot, wake_};
  for (uint32_t core = 0; core < engine_.cores(); ++core) files.push_back(engine_.doorbell(core));
  std::vector<uint8_t> control(CMSG_SPACE(files.size() * sizeof(int)));
  iovec part{const_cast<AttachReply*>(&reply), sizeof reply};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  cmsghdr* head = CMSG_FIRSTHDR(&message);
  head->cmsg_level = SOL_SOCKET;
  head->cmsg_type = SCM_RIGHTS;
  head->cmsg_len = CMSG_LEN(files.size() * sizeof(int));
  std::memcpy(CMSG_DATA(head), files.data(), files.size() * sizeof(int));
  return sendmsg(owner_.fd, &message, MSG_NOSIGNAL) == static_cast<ssize_t>(sizeof reply);
}

// Of a takeover, not of the first attachment.
void Conductor::count_pause() {
  const uint64_t began = std::exchange(pause_began_us_, 0);
  const bool planned = std::exchange(planned_, false);
  if (former_pid_ == 0 || began == 0) return;
  const uint64_t pause = monotonic_us() - began;
  engine_.on_core(0, [pause, planned](Core& core) {
    queue::Counters& counters = core.counters();
    counters.add(Counter::takeovers);
    if (planned) counters.add(Counter::takeovers_planned);
    counters.add(Counter::takeover_pause_us, pause);
    for (size_t i = 0; i < std::size(kPauseBuckets); ++i) {
      if (pause <= kPauseLimitsUs[i]) counters.add(kPauseBuckets[i]);
    }
  });
}

void Conductor::release(Client& client) {
  if (client.fd >= 0) ::close(client.fd);
  if (client.process >= 0) ::close(client.process);
  client = Client{};
}

}  // namespace sluice::core
