#pragma once

#include "base/stream_info.hpp"

namespace sluice {

// What the kernel says of a connected TCP socket. False where it says nothing.
bool inspect_socket(int fd, StreamInfo& out) noexcept;

}  // namespace sluice
