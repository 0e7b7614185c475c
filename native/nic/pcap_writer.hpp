#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace sluice::nic {

// A capture file that every tool reads: classic pcap, Ethernet, nanoseconds. What flush() was called for survives the process. When the
// disk is full the file ends behind its last whole record, and nothing more is written.
class PcapWriter {
 public:
  PcapWriter() = default;
  ~PcapWriter();
  PcapWriter(const PcapWriter&) = delete;
  PcapWriter& operator=(const PcapWriter&) = delete;

  // Creates or empties the file. False with the reason in `error`.
  bool open(const std::string& path, std::string& error);
  // The pieces of one frame: begin, its bytes, begin the next.
  void begin(uint64_t time_ns, uint32_t length);
  void add(const uint8_t* bytes, uint32_t length);
  // Writes what was gathered. False when that failed, the first time only: error() says why.
  bool flush();

  bool writing() const noexcept { return fd_ >= 0; }
  const std::string& error() const noexcept { return error_; }
  uint64_t records() const noexcept { return records_; }
  // Gathered and not written yet.
  uint32_t waiting_bytes() const noexcept { return static_cast<uint32_t>(buffer_.size()); }

 private:
  void stop(int reason);

  int fd_ = -1;
  uint64_t written_ = 0;  // up to the end of the last whole record
  uint64_t records_ = 0;
  std::string path_;
  std::string error_;
  std::vector<uint8_t> buffer_;
};

}  // namespace sluice::nic
