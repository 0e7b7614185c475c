#include "base/file_writer.hpp"

#include <catch2/catch.hpp>

#include <dirent.h>
#include <fcntl.h>
#include <semaphore.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <string>

using namespace sluice;

namespace {

struct TemporaryFile {
  std::string path = "/tmp/sluice-writer-XXXXXX";
  int fd = mkstemp(path.data());

  ~TemporaryFile() {
    ::close(fd);
    ::unlink(path.c_str());
  }
  std::string text(size_t at, size_t length) const {
    std::string out(length, '\0');
    const ssize_t got = pread(fd, out.data(), length, static_cast<off_t>(at));
    out.resize(got < 0 ? 0 : static_cast<size_t>(got));
    return out;
  }
};

struct Done {
  sem_t happened;

  Done() { sem_init(&happened, 0, 0); }
  ~Done() { sem_destroy(&happened); }
  void wait() {
    while (sem_wait(&happened) != 0) REQUIRE(errno == EINTR);
  }
};

FileWriter::Piece piece_of(int fd, const std::string& text, uint64_t at) {
  return {fd, reinterpret_cast<const uint8_t*>(text.data()), text.size(), at};
}

// The I/O class and level that the kernel has for it (ioprio_get); -1: there is no such thread.
long io_priority_of(const std::string& name) {
  long found = -1;
  DIR* const threads = opendir("/proc/self/task");
  while (const dirent* const entry = readdir(threads)) {
    std::ifstream comm(std::string("/proc/self/task/") + entry->d_name + "/comm");
    std::string line;
    if (std::getline(comm, line) && line == name) found = syscall(SYS_ioprio_get, 1, std::atoi(entry->d_name));
  }
  closedir(threads);
  return found;
}

}  // namespace

TEST_CASE("file writer: whoever goes first on the CPU writes as everyone does", "[file-writer]") {
  for (const bool ahead : {false, true}) {
    TemporaryFile file;
    Done done;
    FileWriter writer([&done] { sem_post(&done.happened); }, ahead);
    const std::string bytes = "a";
    writer.write(piece_of(file.fd, bytes, 0));
    done.wait();
    CHECK(writer.take_result() == 0);
    // Best effort, in the middle. By itself a thread of real-time priority would be in the class of that name.
    CHECK(io_priority_of("sluice-writer") == ((2 << 13) | 4));
  }
}

TEST_CASE("file writer: pieces come where they belong, one behind the other", "[file-writer]") {
  for (const bool ahead : {false, true}) {
    TemporaryFile file;
    Done done;
    FileWriter writer([&done] { sem_post(&done.happened); }, ahead);
    const std::string first = "abcdef";
    const std::string second(1 << 20, 'x');
    writer.write(piece_of(file.fd, first, 0));
    done.wait();
    CHECK(writer.take_result() == 0);
    writer.write(piece_of(file.fd, second, 4));
    done.wait();
    CHECK(writer.take_result() == 0);
    CHECK_FALSE(writer.take_result().has_value());
    CHECK(file.text(0, 6) == "abcdxx");
    CHECK(file.text(4, second.size() + 1) == second);
  }
}

TEST_CASE("file writer: says why it could not write, and goes on", "[file-writer]") {
  TemporaryFile file;
  Done done;
  FileWriter writer([&done] { sem_post(&done.happened); }, false);
  const std::string text = "text";
  const int only_read = open(file.path.c_str(), O_RDONLY);
  writer.write(piece_of(only_read, text, 0));
  done.wait();
  CHECK(writer.take_result() == EBADF);
  ::close(only_read);
  writer.write(piece_of(file.fd, text, 0));
  done.wait();
  CHECK(writer.take_result() == 0);
  CHECK(file.text(0, 10) == text);
}

TEST_CASE("file writer: its end waits for what is being written", "[file-writer]") {
  TemporaryFile file;
  const std::string text(1 << 16, 'y');
  for (int i = 0; i < 50; ++i) {
    REQUIRE(ftruncate(file.fd, 0) == 0);
    {
      FileWriter writer([] {}, true);
      writer.write(piece_of(file.fd, text, 0));
    }
    REQUIRE(file.text(0, text.size()) == text);
  }
}
