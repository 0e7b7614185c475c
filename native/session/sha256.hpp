#pragma once

#include <array>
#include <cstdint>

namespace sluice::session {

using Sha256State = std::array<uint32_t, 8>;

// FIPS 180-4 §5.3.3.
inline constexpr Sha256State kSha256Initial = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                               0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
inline constexpr uint32_t kSha256Block = 64;
inline constexpr uint32_t kSha256Bytes = 32;

// Takes one block of 64 bytes (FIPS 180-4 §6.2.2).
void sha256_block_portable(Sha256State& state, const uint8_t* block) noexcept;
// The same by the processor's instructions, where it has them (base/sha_instructions.hpp).
void sha256_block_native(Sha256State& state, const uint8_t* block) noexcept;
// Block i, of those behind one another, into state i. Native: two at a time, for each step waits for the one before it.
void sha256_blocks_portable(Sha256State* states, const uint8_t* blocks, uint32_t count) noexcept;
void sha256_blocks_native(Sha256State* states, const uint8_t* blocks, uint32_t count) noexcept;

}  // namespace sluice::session
