#pragma once

#include <cstdint>
#include <string>

#include "base/stream.hpp"

// What both kernel drivers need of plain sockets.

namespace sluice {

// A listening, non-blocking socket; -1 with the remedy in `error`. `port` becomes the one that was bound.
int open_listener(const ListenOptions& options, uint16_t& port, std::string& error);

// Errors of accept that mean "no more files or memory", not "this connection failed".
bool is_file_limit(int error) noexcept;

// Closes by RST where `reset`, otherwise by FIN (or by what the kernel makes of unread bytes).
void close_socket(int fd, bool reset) noexcept;

bool peer_of(int fd, PeerAddress& out) noexcept;

// "setting it up: Permission denied (13)"
std::string describe_error(const char* what, int error);

}  // namespace sluice
