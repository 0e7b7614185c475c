#include "session/sha256.hpp"

#include <bit>
#include <cstddef>

#include "base/bytes.hpp"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace sluice::session {

namespace {

// FIPS 180-4 §4.2.2.
alignas(16) constexpr uint32_t kConstants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

}  // namespace

void sha256_block_portable(Sha256State& state, const uint8_t* block) noexcept {
  uint32_t schedule[64];
  for (uint32_t i = 0; i < 16; ++i) schedule[i] = load_be32(block + 4 * i);
  for (uint32_t i = 16; i < 64; ++i) {
    const uint32_t x = schedule[i - 15];
    const uint32_t y = schedule[i - 2];
    const uint32_t s0 = std::rotr(x, 7) ^ std::rotr(x, 18) ^ (x >> 3);
    const uint32_t s1 = std::rotr(y, 17) ^ std::rotr(y, 19) ^ (y >> 10);
    schedule[i] = schedule[i - 16] + s0 + schedule[i - 7] + s1;
  }
  auto [a, b, c, d, e, f, g, h] = state;
  for (uint32_t i = 0; i < 64; ++i) {
    const uint32_t s1 = std::rotr(e, 6) ^ std::rotr(e, 11) ^ std::rotr(e, 25);
    const uint32_t t1 = h + s1 + ((e & f) ^ (~e & g)) + kConstants[i] + schedule[i];
    const uint32_t s0 = std::rotr(a, 2) ^ std::rotr(a, 13) ^ std::rotr(a, 22);
    const uint32_t t2 = s0 + ((a & b) ^ (a & c) ^ (b & c));
    h = g;
    g = f;
    f = e;
    e = d + t1;
    d = c;
    c = b;
    b = a;
    a = t1 + t2;
  }
  state = {state[0] + a, state[1] + b, state[2] + c, state[3] + d, state[4] + e, state[5] + f, state[6] + g, state[7] + h};
}

void sha256_blocks_portable(Sha256State* states, const uint8_t* blocks, uint32_t count) noexcept {
  for (uint32_t i = 0; i < count; ++i) sha256_block_portable(states[i], blocks + static_cast<size_t>(i) * kSha256Block);
}

#if defined(__x86_64__)

namespace {

[[gnu::always_inline]] __attribute__((target("sha,sse4.1"))) inline void fill_schedule(__m128i* schedule, const uint8_t* block) noexcept {
  const __m128i big_endian = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
  for (uint32_t i = 0; i < 4; ++i) {
    schedule[i] = _mm_shuffle_epi8(_mm_loadu_si128(reinterpret_cast<const __m128i*>(block + 16 * i)), big_endian);
  }
  for (uint32_t i = 4; i < 16; ++i) {
    const __m128i mixed = _mm_add_epi32(_mm_sha256msg1_epu32(schedule[i - 4], schedule[i - 3]),
                                        _mm_alignr_epi8(schedule[i - 1], schedule[i - 2], 4));
    schedule[i] = _mm_sha256msg2_epu32(mixed, schedule[i - 1]);
  }
}

// Two steps an instruction, which hold a, b, e, f in one register and c, d, g, h in the other (Intel SDM volume 2, SHA256RNDS2).
template <uint32_t kLanes>
[[gnu::always_inline]] __attribute__((target("sha,sse4.1"))) inline void take_blocks(Sha256State* states, const uint8_t* blocks) noexcept {
  __m128i schedule[kLanes][16];
  __m128i first_abef[kLanes];
  __m128i first_cdgh[kLanes];
  __m128i abef[kLanes];
  __m128i cdgh[kLanes];
#pragma GCC unroll 2
  for (uint32_t lane = 0; lane < kLanes; ++lane) {
    fill_schedule(schedule[lane], blocks + lane * kSha256Block);
    const auto* const words = reinterpret_cast<const __m128i*>(states[lane].data());
    const __m128i cdab = _mm_shuffle_epi32(_mm_loadu_si128(words), 0xb1);
    const __m128i efgh = _mm_shuffle_epi32(_mm_loadu_si128(words + 1), 0x1b);
    abef[lane] = first_abef[lane] = _mm_alignr_epi8(cdab, efgh, 8);
    cdgh[lane] = first_cdgh[lane] = _mm_blend_epi16(efgh, cdab, 0xf0);
  }
  for (uint32_t i = 0; i < 16; ++i) {
#pragma GCC unroll 2
    for (uint32_t lane = 0; lane < kLanes; ++lane) {
      const __m128i added = _mm_add_epi32(schedule[lane][i], _mm_load_si128(reinterpret_cast<const __m128i*>(kConstants) + i));
      cdgh[lane] = _mm_sha256rnds2_epu32(cdgh[lane], abef[lane], added);
      abef[lane] = _mm_sha256rnds2_epu32(abef[lane], cdgh[lane], _mm_shuffle_epi32(added, 0x0e));
    }
  }
#pragma GCC unroll 2
  for (uint32_t lane = 0; lane < kLanes; ++lane) {
    auto* const words = reinterpret_cast<__m128i*>(states[lane].data());
    const __m128i feba = _mm_shuffle_epi32(_mm_add_epi32(abef[lane], first_abef[lane]), 0x1b);
    const __m128i dchg = _mm_shuffle_epi32(_mm_add_epi32(cdgh[lane], first_cdgh[lane]), 0xb1);
    _mm_storeu_si128(words, _mm_blend_epi16(feba, dchg, 0xf0));
    _mm_storeu_si128(words + 1, _mm_alignr_epi8(dchg, feba, 8));
  }
}

}  // namespace

__attribute__((target("sha,sse4.1"))) void sha256_block_native(Sha256State& state, const uint8_t* block) noexcept {
  take_blocks<1>(&state, block);
}

__attribute__((target("sha,sse4.1"))) void sha256_blocks_native(Sha256State* states, const uint8_t* blocks, uint32_t count) noexcept {
  uint32_t i = 0;
  for (; i + 2 <= count; i += 2) take_blocks<2>(states + i, blocks + static_cast<size_t>(i) * kSha256Block);
  if (i != count) take_blocks<1>(states + i, blocks + static_cast<size_t>(i) * kSha256Block);
}

#else

void sha256_block_native(Sha256State& state, const uint8_t* block) noexcept { sha256_block_portable(state, block); }
void sha256_blocks_native(Sha256State* states, const uint8_t* blocks, uint32_t count) noexcept {
  sha256_blocks_portable(states, blocks, count);
}

#endif

}  // namespace sluice::session
