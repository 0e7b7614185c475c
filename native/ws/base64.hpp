#pragma once

#include <cstdint>
#include <string_view>

namespace sluice::ws {

// RFC 4648 §4. Writes 4 * ceil(length / 3) characters, without a terminator.
void base64_encode(char* out, const uint8_t* data, uint32_t length) noexcept;

// Is this the encoding of sixteen bytes: what Sec-WebSocket-Key must be (RFC 6455 §4.2.1)?
bool base64_of_16_bytes(std::string_view text) noexcept;

}  // namespace sluice::ws
