#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace sluice::ws {

// RFC 3174, for the handshake only (RFC 6455 §4.2.2): nothing here depends on it resisting collisions.
std::array<uint8_t, 20> sha1(std::string_view message) noexcept;

}  // namespace sluice::ws
