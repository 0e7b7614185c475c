#include "core/attachment.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "core/attach_protocol.hpp"

namespace sluice::core {

std::unique_ptr<Attachment> Attachment::connect(const std::string& name, bool replace, int timeout_ms, std::string& error) {
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
  request.flags = replace ? kAttachReplace : 0;
  if (::send(attachment->socket_, &request, sizeof request, MSG_NOSIGNAL) != static_cast<ssize_t>(sizeof request)) {
    return failed("cannot ask the engine at");
  }
  if (!attachment->receive_grant(timeout_ms, error)) return nullptr;
  return attachment;
}

bool Attachment::receive_grant(int timeout_ms, std::string& error) {
  pollfd wait{socket_, POLLIN, 0};
  if (::poll(&wait, 1, timeout_ms) <= 0) {
    error = "the engine did not answer in time: the control plane that is attached may not be able to stop. Try again with --replace.";
    return false;
  }
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
  constexpr uint64_t kMost = 4ull << 30;
  if (size > kMost) {
    error = "the engine's account of its connections cannot be";
    return false;
  }
  snapshot_.resize(size);
  for (uint64_t at = 0; at < size;) {
    const ssize_t got = pread(fd, snapshot_.data() + at, size - at, static_cast<off_t>(at));
    if (got <= 0) {
      error = "the engine's account of its connections cannot be read";
      return false;
    }
    at += static_cast<uint64_t>(got);
  }
  return true;
}

Attachment::~Attachment() {
  detach();
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
