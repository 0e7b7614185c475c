#pragma once

#include <array>
#include <cstdint>

// The compression function of SHA-1 (RFC 3174 §6.1) over one block of 64 bytes.

namespace sluice::ws {

using Sha1State = std::array<uint32_t, 5>;

void sha1_block_portable(Sha1State& state, const uint8_t* block) noexcept;

// With the processor's own instructions for it (base/sha_instructions.hpp): an opening costs two blocks.
void sha1_block_native(Sha1State& state, const uint8_t* block) noexcept;

}  // namespace sluice::ws
