#pragma once

#include <vector>

namespace sluice::nic {

// Drivers on packet sockets and TAP devices have no interrupts in DPDK, but the kernel says when their files are readable. They do not
// give them out, so they are found among the process's own.

// AF_PACKET sockets of this process, in the order of their numbers.
std::vector<int> packet_sockets();

// AF_XDP sockets and TAP queues that were opened since this was made.
class FileWatch {
 public:
  FileWatch();
  std::vector<int> opened_since() const;

 private:
  std::vector<int> before_;
};

}  // namespace sluice::nic
