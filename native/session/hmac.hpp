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

  // The digests of `count` short texts of one length, kTogether at most, each at the beginning of a block of its own, which is filled up.
  // Step by step for all of them: nothing is read as soon as it was written, which would wait for all stores before.
  static constexpr uint32_t kTogether = 8;
  static constexpr uint32_t kShortMost = kSha256Block - 1 - 8;
  void digest_short(uint8_t* blocks, uint32_t length, uint32_t count, Digest* out) const noexcept;

 private:
  Sha256State inner_ = kSha256Initial;
  Sha256State outer_ = kSha256Initial;
};

}  // namespace sluice::session
