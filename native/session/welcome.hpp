#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "session/resume_token.hpp"

namespace sluice::session {

// The `welcome`s of new sessions without a user, which differ in the session's id and its token only.
class Welcomes {
 public:
  static constexpr uint32_t kIdWords = 4;

  // `tail`: what follows the token's closing quote.
  static uint32_t bytes_each(std::string_view tail) noexcept;

  // Writes `count` texts of bytes_each() bytes, each `stride` behind the one before it, for the ids at `words`, kIdWords each. `version`:
  // the statement's.
  static void write(char* out, size_t stride, const ResumeTokens& tokens, const uint32_t* words, uint32_t count, uint8_t version,
                    std::string_view tail) noexcept;
};

}  // namespace sluice::session
