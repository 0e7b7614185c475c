#include "base/file_writer.hpp"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "base/assert.hpp"

namespace sluice {

namespace {

// linux/ioprio.h: one thread, and the class and level of everyone who asked for nothing. By itself a thread of real-time priority has the
// I/O class of that name, and mq-deadline then holds back what others have to write until this thread's requests are done, 4 to 8 ms at a
// time, even what this thread waits for (docs/decisions/0362).
void write_as_others_do() noexcept {
  constexpr int kOneThread = 1;
  constexpr int kBestEffort = (2 << 13) | 4;
  static_cast<void>(syscall(SYS_ioprio_set, kOneThread, 0, kBestEffort));
}

}  // namespace

FileWriter::FileWriter(std::function<void()> done, bool ahead) : done_(std::move(done)) {
  // Signals are for the thread that has handlers.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  thread_ = std::thread([this] { run(); });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  pthread_setname_np(thread_.native_handle(), "sluice-writer");
  const sched_param first{.sched_priority = 1};
  // Without the right to it (CAP_SYS_NICE, RLIMIT_RTPRIO) the thread takes its turn with all others.
  if (ahead) static_cast<void>(pthread_setschedparam(thread_.native_handle(), SCHED_RR, &first));
}

FileWriter::~FileWriter() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  due_.notify_one();
  thread_.join();
}

void FileWriter::write(const Piece& piece) {
  {
    const std::lock_guard lock(mutex_);
    SLUICE_ASSERT(!piece_ && !result_);
    piece_ = piece;
  }
  // Behind the lock, or a thread that goes before this one would wake only to wait for it.
  due_.notify_one();
}

std::optional<int> FileWriter::take_result() {
  const std::lock_guard lock(mutex_);
  return std::exchange(result_, std::nullopt);
}

void FileWriter::run() {
  write_as_others_do();
  std::unique_lock lock(mutex_);
  for (;;) {
    due_.wait(lock, [this] { return piece_ || stopping_; });
    if (!piece_) return;
    const Piece piece = *piece_;
    lock.unlock();
    const int result = write_all(piece);
    lock.lock();
    piece_.reset();
    result_ = result;
    lock.unlock();
    done_();
    lock.lock();
  }
}

int FileWriter::write_all(Piece piece) noexcept {
  while (piece.length != 0) {
    const ssize_t written = pwrite(piece.fd, piece.bytes, piece.length, static_cast<off_t>(piece.at));
    if (written < 0) {
      if (errno == EINTR) continue;
      return errno;
    }
    // A device that takes nothing and names no error.
    if (written == 0) return EIO;
    piece.bytes += written;
    piece.length -= static_cast<size_t>(written);
    piece.at += static_cast<uint64_t>(written);
  }
  return 0;
}

}  // namespace sluice
