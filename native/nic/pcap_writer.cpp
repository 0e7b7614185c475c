#include "nic/pcap_writer.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace sluice::nic {

namespace {

// https://www.ietf.org/archive/id/draft-ietf-opsawg-pcap-04.html §4: nanosecond resolution has a magic of its own.
constexpr uint32_t kMagicNanoseconds = 0xa1b23c4d;
constexpr uint32_t kLinkEthernet = 1;
constexpr uint32_t kLongest = 262'144;

struct FileHeader {
  uint32_t magic = kMagicNanoseconds;
  uint16_t major = 2;
  uint16_t minor = 4;
  uint32_t reserved[2] = {};
  uint32_t longest = kLongest;
  uint32_t link = kLinkEthernet;
};
static_assert(sizeof(FileHeader) == 24);

struct RecordHeader {
  uint32_t seconds;
  uint32_t nanoseconds;
  uint32_t captured;
  uint32_t length;
};
static_assert(sizeof(RecordHeader) == 16);

}  // namespace

PcapWriter::~PcapWriter() {
  if (fd_ < 0) return;
  static_cast<void>(flush());
  if (fd_ >= 0) close(fd_);
}

bool PcapWriter::open(const std::string& path, std::string& error) {
  path_ = path;
  fd_ = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd_ < 0) {
    error = "pcap: cannot write " + path + ": " + std::strerror(errno);
    return false;
  }
  const FileHeader header;
  const auto* const bytes = reinterpret_cast<const uint8_t*>(&header);
  buffer_.assign(bytes, bytes + sizeof header);
  if (flush()) return true;
  error = error_;
  return false;
}

void PcapWriter::begin(uint64_t time_ns, uint32_t length) {
  if (fd_ < 0) return;
  static constexpr uint64_t kSecond = 1'000'000'000;
  const RecordHeader header{static_cast<uint32_t>(time_ns / kSecond), static_cast<uint32_t>(time_ns % kSecond), length, length};
  add(reinterpret_cast<const uint8_t*>(&header), sizeof header);
  ++records_;
}

void PcapWriter::add(const uint8_t* bytes, uint32_t length) {
  if (fd_ >= 0) buffer_.insert(buffer_.end(), bytes, bytes + length);
}

bool PcapWriter::flush() {
  if (fd_ < 0) return true;
  size_t at = 0;
  while (at < buffer_.size()) {
    const ssize_t wrote = ::write(fd_, buffer_.data() + at, buffer_.size() - at);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote <= 0) {
      stop(wrote < 0 ? errno : ENOSPC);
      return false;
    }
    at += static_cast<size_t>(wrote);
  }
  written_ += buffer_.size();
  buffer_.clear();
  return true;
}

void PcapWriter::stop(int reason) {
  error_ = "pcap: " + path_ + " ends after " + std::to_string(written_) + " bytes: " + std::strerror(reason);
  if (reason == ENOSPC || reason == EDQUOT) error_ += "; free space and start again";
  // A record that is cut off would make the file unreadable from there on. Where this fails the reader says so itself; a pipe or a
  // device has no length to set.
  struct stat file;
  const bool has_length = fstat(fd_, &file) == 0 && S_ISREG(file.st_mode);
  if (has_length && ftruncate(fd_, static_cast<off_t>(written_)) != 0) error_ += "; its last record is cut";
  close(fd_);
  fd_ = -1;
  buffer_.clear();
  buffer_.shrink_to_fit();
}

}  // namespace sluice::nic
