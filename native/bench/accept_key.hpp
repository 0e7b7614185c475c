#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace sluice::load {

// The load generator has its own SHA-1: a mistake in the server's must not be answered by the same mistake here.
void sha1(const uint8_t* data, size_t length, uint8_t out[20]) noexcept;
// The same where the processor has no instructions for it.
void sha1_portable(const uint8_t* data, size_t length, uint8_t out[20]) noexcept;
std::string base64(const uint8_t* data, size_t length);

// The Sec-WebSocket-Accept that answers `key` (RFC 6455 §4.2.2).
std::string accept_key(std::string_view key);

}  // namespace sluice::load
