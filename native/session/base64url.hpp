#pragma once

#include <cstdint>
#include <string_view>

// base64url without padding (RFC 4648 §5).

namespace sluice::session {

constexpr uint32_t base64url_chars(uint32_t bytes) noexcept { return (bytes * 4 + 2) / 3; }

// Writes base64url_chars(length) characters; returns what follows them.
char* base64url_encode(char* out, const uint8_t* data, uint32_t length) noexcept;

// Bytes written, at most text.size() * 3 / 4; -1 where the text is none.
int32_t base64url_decode(uint8_t* out, std::string_view text) noexcept;

}  // namespace sluice::session
