#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "session/sha256.hpp"

namespace sluice::session {

// HMAC-SHA256 (RFC 2104) with one key. What the key contributes is computed once.
class Hmac {
 public:
  using Digest = std::array<uint8_t, kSha256Bytes>;

  // At most kSha256Block bytes.
  Hmac(const uint8_t* key, uint32_t length) noexcept;

  Digest digest(std::string_view text) const noexcept;

 private:
  Sha256State inner_ = kSha256Initial;
  Sha256State outer_ = kSha256Initial;
};

}  // namespace sluice::session
