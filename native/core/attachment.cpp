#include "core/attachment.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "core/attach_protocol.hpp"

namespace sluice::core {

std::unique_ptr<Attachment> Attachment::request(const std::string& name, uint32_t flags, std::string& error) {
  std::unique_ptr<Attachment> attachment(new Attachment());
  // Before anything is asked for: another release's region is left alone.
  attachment->region_ = queue::Region::attach(name, true, error);
  if (!attachment->region_) return nullptr;
  const std::string path = attach_path(name);
  const auto failed = [&](const char* what) {
    const std::string cause = std::string(what) + " " + path + ": " + std::strerror(errno);
    error = cause + ". Start the engine (sluice engine --name " + name + ") first, as the same user.";
    return nullptr;
  };
  if (attachment->region_->header().detached == 0) {
    error = "the region " + name + " is that of a gateway which hosts its engine itself: only `sluice engine` can be attached to";
    return nullptr;
  }
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.c_str(), std::min(path.size(), sizeof address.sun_path - 1));
  attachment->socket_ = ::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
  if (attachment->socket_ < 0) return failed("cannot make a socket for");
  const auto* to = reinterpret_cast<const sockaddr*>(&address);
  if (::connect(attachment->socket_, to, sizeof address) != 0) return failed("cannot reach the engine at");
  AttachRequest request;
  request.flags = flags;
  if (::send(attachment->socket_, &request, sizeof request, MSG_NOSIGNAL) != static_cast<ssize_t>(sizeof request)) {
    return failed("cannot ask the engine at");
  }
  return attachment;
}

bool Attachment::receive_grant(std::string& error) {
  constexpr size_t kMaxFiles = 2 + queue::kMaxSections;
  AttachReply reply;
  std::vector<uint8_t> control(CMSG_SPACE(kMaxFiles * sizeof(int)));
  iovec part{&reply, sizeof reply};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  const ssize_t got = recvmsg(socket_, &message, MSG_CMSG_CLOEXEC);
  std::vector<int> files;
  for (cmsghdr* head = got < 0 ? nullptr : CMSG_FIRSTHDR(&message); head != nullptr; head = CMSG_NXTHDR(&message, head)) {
    if (head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS) continue;
    files.resize((head->cmsg_len - CMSG_LEN(0)) / sizeof(int));
    std::memcpy(files.data(), CMSG_DATA(head), files.size() * sizeof(int));
  }
  const bool whole = got == static_cast<ssize_t>(sizeof reply) && reply.magic == queue::kMagic;
  const bool granted = whole && reply.granted == 1 && files.size() == 2 + static_cast<size_t>(reply.cores);
  bool taken = false;
  if (granted) {
    wake_ = std::exchange(files[1], -1);
    for (size_t i = 2; i < files.size(); ++i) doorbells_.push_back(std::exchange(files[i], -1));
    epoch_ = reply.epoch;
    former_pid_ = reply.former_pid;
    pause_ms_ = reply.pause_ms;
    taken = take_snapshot(files[0], reply.snapshot_bytes, error);
  } else if (whole) {
    reply.reason[sizeof reply.reason - 1] = '\0';
    error = reply.reason;
  } else {
    error = "the engine ended the conversation. Look at its messages.";
  }
  for (const int file : files) {
    if (file >= 0) ::close(file);
  }
  return taken;
}

bool Attachment::take_snapshot(int fd, uint64_t size, std::string& error) {
  struct stat file;
  // Sealed, it neither shrinks under the mapping nor changes between a check and a use.
  constexpr int kSeals = F_SEAL_SHRINK | F_SEAL_WRITE;
  const int seals = fcntl(fd, F_GET_SEALS);
  if (size == 0 || seals < 0 || (seals & kSeals) != kSeals || fstat(fd, &file) != 0 || static_cast<uint64_t>(file.st_size) != size) {
    error = "the engine's account of its connections is not what it says";
    return false;
  }
  void* mapped = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
  if (mapped == MAP_FAILED) {
    error = std::string("the engine's account of its connections cannot be mapped: ") + std::strerror(errno);
    return false;
  }
  snapshot_ = static_cast<uint8_t*>(mapped);
  snapshot_size_ = size;
  return true;
}

Attachment::~Attachment() {
  detach();
  if (snapshot_ != nullptr) munmap(snapshot_, snapshot_size_);
  if (wake_ >= 0) ::close(wake_);
  for (const int fd : doorbells_) ::close(fd);
}

void Attachment::reset_wake() noexcept {
  uint64_t count;
  static_cast<void>(!::read(wake_, &count, sizeof count));
}

void Attachment::ring(uint32_t core) noexcept {
  const uint64_t one = 1;
  if (core < doorbells_.size()) static_cast<void>(!::write(doorbells_[core], &one, sizeof one));
}

Attachment::Said Attachment::listen(uint32_t& by) noexcept {
  if (socket_ < 0) return Said::kNothing;
  OwnerNotice notice;
  const ssize_t got = recv(socket_, &notice, sizeof notice, MSG_DONTWAIT);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return Said::kNothing;
  if (got != static_cast<ssize_t>(sizeof notice)) return Said::kGone;
  by = notice.value;
  return notice.message == OwnerMessage::kStop ? Said::kStop : Said::kNothing;
}

void Attachment::running() noexcept {
  const OwnerNotice notice{OwnerMessage::kRunning, 0};
  if (socket_ >= 0) static_cast<void>(!::send(socket_, &notice, sizeof notice, MSG_NOSIGNAL | MSG_DONTWAIT));
}

void Attachment::detach() noexcept {
  if (socket_ >= 0) ::close(socket_);
  socket_ = -1;
}

}  // namespace sluice::core
