#pragma once

#include <cstdint>
#include <string>

#include "queue/layout.hpp"

// What an engine in a process of its own and a control plane say to each other over the unix socket beside the region: whole messages
// (SOCK_SEQPACKET), descriptors as SCM_RIGHTS. The socket's end is the sign that the other side is gone.

namespace sluice::core {

// Bits of AttachRequest::flags.
inline constexpr uint32_t kAttachReplace = 1;  // the control plane that is attached is asked to stop
inline constexpr uint32_t kAttachStandby = 2;  // its end is waited for, however long

// The control plane's first message.
struct AttachRequest {
  uint64_t magic = queue::kMagic;
  uint32_t version = queue::kLayoutVersion;
  uint32_t layout_hash = queue::layout_hash();
  uint32_t flags = 0;
  uint32_t reserved = 0;
};
static_assert(sizeof(AttachRequest) == 24);

// Granted, it comes with descriptors: the snapshot's memory, the control plane's doorbell, then one doorbell for each core.
struct AttachReply {
  uint64_t magic = queue::kMagic;
  uint32_t granted = 0;
  uint32_t epoch = 0;
  uint32_t cores = 0;
  uint32_t former_pid = 0;  // 0: nobody was attached before
  uint64_t snapshot_bytes = 0;
  uint32_t pause_ms = 0;    // since a control plane was attached last
  char reason[252] = {};
};
static_assert(sizeof(AttachReply) == 288);

enum class OwnerMessage : uint32_t {
  kStop = 1,     // to the control plane: `value` is the process that replaces it
  kRunning = 2,  // from it: the first turn is over
};

struct OwnerNotice {
  OwnerMessage message;
  uint32_t value;
};
static_assert(sizeof(OwnerNotice) == 8);

inline std::string attach_path(const std::string& region) { return "/dev/shm/sluice-" + region + ".sock"; }

}  // namespace sluice::core
