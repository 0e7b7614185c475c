#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>

namespace sluice {

// A thread that writes to files and does nothing else, one piece at a time. It needs the CPU for some microseconds three times a write:
// to begin, between data and flush, and to say that it is done. Where it shares a CPU with a busy loop each of these waits for the
// kernel's next tick, unless the thread goes before others (docs/decisions/0320).
class FileWriter {
 public:
  struct Piece {
    int fd;
    const uint8_t* bytes;
    size_t length;
    uint64_t at;
  };

  // `done` is called on the writing thread when there is a result. `ahead`: real-time priority, where the system gives it.
  FileWriter(std::function<void()> done, bool ahead);
  // Waits for the piece that is being written.
  ~FileWriter();
  FileWriter(const FileWriter&) = delete;
  FileWriter& operator=(const FileWriter&) = delete;

  // One at a time: the next when the result of the one before was taken. The bytes stay where they are until then.
  void write(const Piece& piece);
  // What became of the last piece, once: 0, or an errno; nothing while it is being written.
  std::optional<int> take_result();

 private:
  void run();
  static int write_all(Piece piece) noexcept;

  std::function<void()> done_;
  std::mutex mutex_;
  std::condition_variable due_;
  std::optional<Piece> piece_;
  std::optional<int> result_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace sluice
